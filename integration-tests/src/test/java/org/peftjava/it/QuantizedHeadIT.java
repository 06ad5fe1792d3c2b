package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModel;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.peft.PeftModelForTask;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.quant.QuantizedLinear;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.quant.bnb.QuantType;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.ModulePath;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.torch.optim.Optimizer;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoModelForSequenceClassification;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.TaskModel;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.WeightSource;

/**
 * Text classifiers of transformers and bitsandbytes, whose heads are quantized there (here a model
 * that is quantized while it is loaded keeps them dense): read, written and trained.
 */
@ExtendWith(NoLeaks.class)
class QuantizedHeadIT {
  private static final Path ROOT = Golden.ROOT.resolve("bnb_bert");
  private static final Path PACKED = ROOT.resolve("packed");

  @TempDir Path folder;

  @Test
  void aQuantizedHeadIsReadAndWritten() throws IOException {
    try (TensorScope scope = TensorScope.openGraph("read");
        TaskModel model = AutoModelForSequenceClassification.fromPretrained(PACKED);
        WeightSource golden = Safetensors.open(ROOT.resolve("io.safetensors"))) {
      assertInstanceOf(QuantizedLinear.class, ModulePath.get(model.module(), "classifier"));
      model.module().train(true);
      ModelOutput output = model.forward(input(golden));
      Golden.assertClose(golden.tensor("base.logits"), logits(output), 2e-6, "logits");
      Golden.assertClose(golden.tensor("base.loss"), output.loss().orElseThrow(), 2e-6, "loss");
      model.savePretrained(folder);
    }
    assertArrayEquals(
        Files.readAllBytes(PACKED.resolve("model.safetensors")),
        Files.readAllBytes(folder.resolve("model.safetensors")));
  }

  /** In Python that fails, or changes packed bytes as if they were numbers. */
  @Test
  void aDenseCopyOfAQuantizedHeadIsTrained() {
    Tensor trained;
    try (TensorScope scope = TensorScope.openGraph("train");
        TaskModel base = AutoModelForSequenceClassification.fromPretrained(PACKED);
        PeftModelForTask model = Peft.getPeftModel(base, lora());
        Optimizer optimizer = new AdamW(trainable(model), AdamW.Options.of(0.05));
        WeightSource golden = Safetensors.open(ROOT.resolve("io.safetensors"))) {
      model.train(true);
      ModelOutput first = model.forward(input(golden));
      Golden.assertClose(golden.tensor("base.logits"), logits(first), 2e-6, "before");
      double before = first.loss().orElseThrow().toDouble();
      first.loss().orElseThrow().backward();
      optimizer.step();
      ModelOutput second = model.forward(input(golden));
      assertTrue(second.loss().orElseThrow().toDouble() < before - 0.1);
      trained = logits(second).detach().copy().escape();
      model.savePretrained(folder);
    }
    try (TensorScope scope = TensorScope.openGraph("again");
        WeightSource saved = Safetensors.open(folder.resolve("adapter_model.safetensors"));
        TaskModel base = AutoModelForSequenceClassification.fromPretrained(PACKED);
        PeftModelForTask model = PeftModel.fromPretrained(base, folder.toString());
        WeightSource golden = Safetensors.open(ROOT.resolve("io.safetensors"))) {
      assertEquals(Shape.of(3, 64), saved.shape("base_model.model.classifier.weight"));
      model.train(true);
      Golden.assertClose(trained, logits(model.forward(input(golden))), 2e-6, "read again");
    } finally {
      trained.close();
    }
  }

  /** GPT-2 stores weights the other way round: so does the copy, which stays in the base model. */
  @Test
  void aTrainedCopyOfAConv1dIsSaved() {
    BitsAndBytesConfig nf4 =
        BitsAndBytesConfig.builder().loadIn4bit(true).bnb4bitQuantType(QuantType.NF4).build();
    LoraConfig lora =
        LoraConfig.builder()
            .targetModules("c_attn")
            .modulesToSave("c_fc")
            .taskType(TaskType.CAUSAL_LM)
            .build();
    try (TensorScope scope = TensorScope.openGraph("gpt2");
        CausalLM base =
            AutoModelForCausalLM.fromPretrained(
                Golden.ROOT.resolve("gpt2_lora").resolve("base"),
                options -> options.quantizationConfig(nf4))) {
      ModelInput input =
          ModelInput.builder().inputIds(Creation.ofLongs(new long[][] {{5, 6, 17, 8}})).build();
      PeftModelForCausalLM model = Peft.getPeftModel(base, lora);
      model
          .namedParameters()
          .forEach(
              (name, parameter) -> {
                if (name.contains("c_fc.modules_to_save") && name.endsWith("weight")) {
                  parameter.copyFrom(parameter.tensor().detach().mul(1.5));
                }
              });
      Tensor expected = model.forward(input).logits().orElseThrow().detach();
      model.mergeAndUnload();
      base.savePretrained(folder);
      try (CausalLM again = AutoModelForCausalLM.fromPretrained(folder)) {
        Golden.assertClose(expected, again.forward(input).logits().orElseThrow(), 1e-6, "again");
      }
    }
  }

  private static LoraConfig lora() {
    return LoraConfig.builder()
        .r(4)
        .loraAlpha(10)
        .targetModules("query", "value")
        .taskType(TaskType.SEQ_CLS)
        .build();
  }

  private static Map<String, Parameter> trainable(PeftModelForTask model) {
    Map<String, Parameter> result = new LinkedHashMap<>(model.namedParameters());
    result.values().removeIf(parameter -> !parameter.requiresGrad());
    return result;
  }

  private static Tensor logits(ModelOutput output) {
    return output.logits().orElseThrow();
  }

  private static ModelInput input(WeightSource golden) {
    return ModelInput.builder()
        .inputIds(golden.tensor("in.input_ids"))
        .labels(golden.tensor("in.labels"))
        .outputLogits(true)
        .build();
  }
}
