package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Objects;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.quant.bnb.QuantType;
import org.peftjava.torch.DType;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.LoadOptions;
import org.peftjava.transformers.tokenizer.Tokenizer;
import org.peftjava.transformers.training.Dataset;
import org.peftjava.transformers.training.OptimizerNames;
import org.peftjava.transformers.training.SaveStrategy;
import org.peftjava.transformers.training.Trainer;
import org.peftjava.transformers.training.TrainingArguments;

/** QLoRA on the shipped model learns what LoRA on its dense weights learns. */
@ExtendWith(NoLeaks.class)
class QloraTrainingIT {
  private static final Path DEMO =
      Path.of("../peft-java/src/main/resources/org/peftjava/demo").toAbsolutePath().normalize();

  private static final int STEPS = 24;

  @TempDir Path folder;

  private static BitsAndBytesConfig.Builder nf4() {
    return BitsAndBytesConfig.builder()
        .loadIn4bit(true)
        .bnb4bitQuantType(QuantType.NF4)
        .bnb4bitUseDoubleQuant(true);
  }

  @Test
  void theLossesAreThoseOfLoraWithinFivePercent() {
    Losses dense = train("dense", o -> o.dtype(DType.FLOAT32), OptimizerNames.ADAMW_TORCH);
    assertTrue(dense.after < dense.before - 0.3, dense::toString);
    Losses four = train("nf4", o -> o.quantizationConfig(nf4().build()), OptimizerNames.ADAMW_8BIT);
    Losses eight =
        train(
            "int8",
            o -> o.quantizationConfig(BitsAndBytesConfig.builder().loadIn8bit(true).build()),
            OptimizerNames.ADAMW_TORCH);
    assertEquals(dense.training, four.training, 0.05 * dense.training);
    assertEquals(dense.after, four.after, 0.05 * dense.after);
    assertEquals(dense.training, eight.training, 0.01 * dense.training);
    assertEquals(dense.after, eight.after, 0.01 * dense.after);
  }

  /**
   * Losses of one run.
   *
   * @param before evaluation before training
   * @param training mean over the steps
   * @param after evaluation after training
   */
  private record Losses(double before, double training, double after) {}

  private Losses train(
      String name, Consumer<LoadOptions.Builder> options, OptimizerNames optimizer) {
    try (Tokenizer tokenizer = AutoTokenizer.fromPretrained(DEMO.resolve("base"));
        CausalLM base = AutoModelForCausalLM.fromPretrained(DEMO.resolve("base"), options)) {
      Peft.prepareModelForKbitTraining(base, o -> o.useGradientCheckpointing(false));
      try (PeftModelForCausalLM model =
          Peft.getPeftModel(
              base,
              LoraConfig.builder()
                  .r(8)
                  .loraAlpha(16)
                  .targetModules("q_proj", "v_proj", "fc1", "fc2")
                  .taskType(TaskType.CAUSAL_LM)
                  .build())) {
        Dataset data =
            Dataset.fromFile(
                DEMO.resolve("train.jsonl"), tokenizer, o -> o.truncation(true).maxLength(64));
        Dataset held =
            Dataset.fromFile(
                DEMO.resolve("eval.jsonl"), tokenizer, o -> o.truncation(true).maxLength(64));
        Trainer trainer =
            Trainer.builder()
                .model(model)
                .tokenizer(tokenizer)
                .trainDataset(data)
                .evalDataset(held)
                .args(
                    TrainingArguments.builder()
                        .outputDir(folder.resolve(name))
                        .optim(optimizer)
                        .learningRate(3e-3)
                        .perDeviceTrainBatchSize(8)
                        .perDeviceEvalBatchSize(16)
                        .maxSteps(STEPS)
                        .saveStrategy(SaveStrategy.NO)
                        .seed(3)
                        .build())
                .build();
        double before = loss(trainer);
        double training = trainer.train().trainingLoss();
        return new Losses(before, training, loss(trainer));
      }
    }
  }

  private static double loss(Trainer trainer) {
    return Objects.requireNonNull(trainer.evaluate().get("eval_loss"));
  }
}
