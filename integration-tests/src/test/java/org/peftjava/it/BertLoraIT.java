package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModel;
import org.peftjava.peft.PeftModelForTask;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForSequenceClassification;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.SequenceClassification;
import org.peftjava.transformers.training.Dataset;
import org.peftjava.transformers.training.Example;
import org.peftjava.transformers.training.SaveStrategy;
import org.peftjava.transformers.training.Trainer;
import org.peftjava.transformers.training.TrainingArguments;

/**
 * LoRA on a BERT text classifier beside the real PEFT; the classifier itself is trained in full.
 */
@ExtendWith(NoLeaks.class)
class BertLoraIT {
  private static final String CASE = "bert_lora";

  private static ModelInput.Builder input(Golden golden) {
    return golden.input("in").tokenTypeIds(golden.get("in.token_type_ids"));
  }

  private static void assertLogits(Golden golden, String key, PretrainedModel model) {
    try (GradMode off = GradMode.noGrad()) {
      Tensor logits = model.forward(input(golden).build()).logits().orElseThrow();
      Golden.assertClose(golden.get(key), logits, golden.tolerance("forward"), key);
    }
  }

  @Test
  void forwardLossAndGradients() {
    try (TensorScope scope = TensorScope.openGraph("test")) {
      Golden golden = Golden.open(CASE);
      try (SequenceClassification base =
              AutoModelForSequenceClassification.fromPretrained(golden.folder("base"));
          PeftModelForTask model =
              PeftModel.fromPretrained(
                  base, golden.folder("adapter"), options -> options.isTrainable(true))) {
        model.eval();
        assertLogits(golden, "adapter.logits", model);
        try (PeftModel.AdapterSwitch off = model.disableAdapter()) {
          assertLogits(golden, "base.logits", model);
        }
        Tensor loss =
            model
                .forward(input(golden).labels(golden.get("in.labels")).build())
                .loss()
                .orElseThrow();
        Golden.assertClose(golden.get("adapter.loss"), loss, golden.tolerance("forward"), "loss");
        loss.backward();
        Set<String> trained = new TreeSet<>();
        model
            .namedParameters()
            .forEach(
                (name, parameter) -> {
                  if (parameter.requiresGrad()) {
                    trained.add(name);
                    Golden.assertClose(
                        golden.get("grad." + name),
                        parameter.tensor().grad().orElseThrow(),
                        golden.tolerance("gradient"),
                        name);
                  }
                });
        assertEquals(LoraCase.keysBelow(golden, "grad."), trained);
        assertEquals(
            golden.facts().get("trainableParameters").asLong(),
            model.trainableParameters().trainable());
        model.zeroGrad();
      }
    }
  }

  @Test
  void trainedSavedAndLoaded(@TempDir Path folder) {
    try (TensorScope scope = TensorScope.open("test")) {
      Golden golden = Golden.open(CASE);
      LoraConfig config =
          LoraConfig.builder()
              .taskType(TaskType.SEQ_CLS)
              .r(4)
              .loraAlpha(10)
              .targetModules("query", "value")
              .build();
      Tensor trained;
      try (SequenceClassification base =
              AutoModelForSequenceClassification.fromPretrained(golden.folder("base"));
          PeftModelForTask model = Peft.getPeftModel(base, config)) {
        double before = loss(golden, model);
        Trainer.builder()
            .model(model)
            .args(
                TrainingArguments.builder()
                    .maxSteps(20)
                    .learningRate(0.02)
                    .saveStrategy(SaveStrategy.NO)
                    .build())
            .trainDataset(Dataset.of(examples()))
            .build()
            .train();
        assertTrue(loss(golden, model) < before / 2, before + " to " + loss(golden, model));
        trained = logits(golden, model);
        model.savePretrained(folder);
      }
      try (SequenceClassification base =
              AutoModelForSequenceClassification.fromPretrained(golden.folder("base"));
          PeftModelForTask model = PeftModel.fromPretrained(base, folder, options -> {})) {
        Golden.assertClose(trained, logits(golden, model), 1e-6, "loaded");
      }
    }
  }

  private static List<Example> examples() {
    return List.of(
        Example.ofText(new long[] {5, 6, 17, 8, 29, 31, 9}, 2)
            .withTokenTypeIds(0, 0, 0, 1, 1, 1, 1),
        Example.ofText(new long[] {5, 9, 33, 4, 11}, 0).withTokenTypeIds(0, 0, 1, 1, 1));
  }

  private static Tensor logits(Golden golden, PretrainedModel model) {
    try (GradMode off = GradMode.noGrad()) {
      return model.forward(input(golden).build()).logits().orElseThrow();
    }
  }

  private static double loss(Golden golden, PretrainedModel model) {
    try (TensorScope scope = TensorScope.open("loss");
        GradMode off = GradMode.noGrad()) {
      ModelInput labelled = input(golden).labels(golden.get("in.labels")).build();
      return model.forward(labelled).loss().orElseThrow().toDouble();
    }
  }

  @Test
  void anAdapterForAnotherTaskIsRefused() {
    LoraConfig config =
        LoraConfig.builder().taskType(TaskType.TOKEN_CLS).targetModules("query").build();
    try (SequenceClassification base =
        AutoModelForSequenceClassification.fromPretrained(
            Golden.ROOT.resolve(CASE).resolve("base"))) {
      assertEquals(
          "The adapter's taskType is TOKEN_CLS, but the model is for sequence classification."
              + " Expected SEQ_CLS, or no task.",
          assertThrows(IllegalArgumentException.class, () -> Peft.getPeftModel(base, config))
              .getMessage());
    }
  }
}
