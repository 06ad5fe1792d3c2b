package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.training.Dataset;
import org.peftjava.transformers.training.Example;
import org.peftjava.transformers.training.Trainer;
import org.peftjava.transformers.training.TrainingArguments;

/** Training of virtual tokens: the Trainer, going on from files, layers computed again. */
@ExtendWith(LedgerCheck.class)
class PromptTrainingTest {
  private static final String WEIGHT = "prompt_encoder.default.embedding.weight";

  private TinyOpt tiny;
  private CausalLM base;

  @BeforeEach
  void open() {
    tiny = new TinyOpt();
    base = tiny.base();
  }

  @AfterEach
  void close() {
    tiny.close();
  }

  /** Sequences in which each token is the one before plus 3. */
  private static Dataset counting() {
    return Dataset.of(
        IntStream.range(0, 24)
            .mapToObj(
                row ->
                    Example.of(
                        IntStream.range(0, 5 + row % 3)
                            .mapToLong(t -> 4 + (row + 3L * t) % 36)
                            .toArray()))
            .toList());
  }

  private static Trainer trainer(
      PeftModelForCausalLM model, Path folder, Consumer<TrainingArguments.Builder> more) {
    TrainingArguments.Builder arguments =
        TrainingArguments.builder()
            .outputDir(folder.toString())
            .maxSteps(8)
            .saveSteps(4)
            .learningRate(0.05)
            .perDeviceTrainBatchSize(6);
    more.accept(arguments);
    return Trainer.builder().model(model).args(arguments.build()).trainDataset(counting()).build();
  }

  @ParameterizedTest
  @EnumSource(PromptCase.class)
  void theTrainerTrainsAndResumes(PromptCase method, @TempDir Path folder) {
    Path checkpoint = folder.resolve("checkpoint-4");
    float[] whole;
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, method.config())) {
      List<float[]> frozen =
          base.namedParameters().values().stream().map(p -> p.tensor().toFloats()).toList();
      trainer(model, folder, options -> {}).train();
      assertTrue(Files.isRegularFile(checkpoint.resolve("adapter_model.safetensors")));
      List<float[]> after =
          base.namedParameters().values().stream().map(p -> p.tensor().toFloats()).toList();
      for (int i = 0; i < frozen.size(); i++) {
        assertArrayEquals(frozen.get(i), after.get(i));
      }
      model.eval();
      whole = PromptCase.logits(model);
    }
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, method.config())) {
      trainer(model, folder, o -> o.resumeFromCheckpoint(checkpoint)).train();
      model.eval();
      assertArrayEquals(whole, PromptCase.logits(model), 1e-5f);
    }
    try (PeftModelForCausalLM model =
        PeftModel.fromPretrained(
            base, folder.resolve("checkpoint-8"), options -> options.isTrainable(true))) {
      model.eval();
      assertArrayEquals(whole, PromptCase.logits(model));
      assertTrue(model.trainableParameters().trainable() > 0);
    }
  }

  /** Python's files lack the network: training cannot go on, and the model stays as it was. */
  @Test
  void aNetworkThatIsNotThereIsNamed() {
    for (String folder : List.of("prefix_gpt2_projected", "ptuning_gpt2_mlp")) {
      try (CausalLM gpt2 = AutoModelForCausalLM.fromPretrained(Goldens.path(folder + "/base"))) {
        String message =
            assertThrows(
                    IllegalArgumentException.class,
                    () ->
                        PeftModel.fromPretrained(
                            gpt2,
                            Goldens.path(folder + "/adapter"),
                            options -> options.isTrainable(true)))
                .getMessage();
        assertTrue(message.contains("prompt_encoder.safetensors"), message);
      }
    }
  }

  @Test
  void layersCanBeComputedAgainBehindAPrompt() {
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, PromptCase.prompt().build())) {
      float[] kept = gradient(model);
      model.gradientCheckpointing(true);
      assertArrayEquals(kept, gradient(model), 1e-6f);
    }
    try (PeftModelForCausalLM model = Peft.getPeftModel(base, PromptCase.PREFIX.config())) {
      String message =
          assertThrows(IllegalStateException.class, () -> gradient(model)).getMessage();
      assertTrue(message.contains("prefix"), message);
    } finally {
      base.gradientCheckpointing(false);
    }
  }

  private static float[] gradient(PeftModelForCausalLM model) {
    model.train(true);
    ModelInput input = PromptCase.batch().build();
    model
        .forward(input.toBuilder().labels(input.inputIds()).build())
        .loss()
        .orElseThrow()
        .backward();
    float[] gradient = model.namedParameters().get(WEIGHT).tensor().grad().orElseThrow().toFloats();
    model.zeroGrad();
    return gradient;
  }
}
