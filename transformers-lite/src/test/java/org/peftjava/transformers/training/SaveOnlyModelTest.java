package org.peftjava.transformers.training;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;

/**
 * Checkpoints that hold the model only: they load, are counted and replaced, but resume nothing.
 */
class SaveOnlyModelTest extends TrainingRuns {
  @Test
  void theyLoadAndAreDeletedAsOthers() {
    try (CausalLM model = TinyModels.opt(0)) {
      TrainingArguments args =
          arguments().saveOnlyModel(true).saveSteps(2).saveTotalLimit(2).build();
      trainer(model, args).train();
      assertEquals(List.of("checkpoint-8", "checkpoint-9"), names());
      assertEquals(
          List.of(
              "config.json",
              "generation_config.json",
              "model.safetensors",
              "trainer_state.json",
              "training_state.safetensors"),
          names(folder.resolve("checkpoint-9")));
      try (CausalLM loaded = AutoModelForCausalLM.fromPretrained(folder.resolve("checkpoint-9"))) {
        Map<String, float[]> weights = TinyModels.weights(model);
        TinyModels.weights(loaded)
            .forEach((name, values) -> assertArrayEquals(weights.get(name), values, name));
      }
      trainer(model, args).train(); // in the same folder
      assertEquals(List.of("checkpoint-8", "checkpoint-9"), names());
    }
  }

  @Test
  void nothingIsResumedFromThem() {
    try (CausalLM model = TinyModels.opt(0)) {
      trainer(model, arguments().build()).train();
      trainer(model, arguments().maxSteps(12).saveOnlyModel(true).saveSteps(12).build()).train();
      assertEquals(List.of("checkpoint-12", "checkpoint-5", "checkpoint-9"), names());
      Map<String, float[]> before = TinyModels.weights(model);
      Trainer trainer = trainer(model, arguments().maxSteps(14).bf16(true).build());
      for (String from : List.of("", "checkpoint-12")) {
        var error =
            assertThrows(IllegalArgumentException.class, () -> trainer.train(folder.resolve(from)));
        assertTrue(
            error.getMessage().contains("checkpoint-12 was written with saveOnlyModel"),
            error.getMessage());
      }
      assertEquals(0, trainer.state().globalStep());
      TinyModels.weights(model)
          .forEach((name, values) -> assertArrayEquals(before.get(name), values, name));
      assertEquals(14, trainer.train(folder.resolve("checkpoint-9")).globalStep());
    }
  }
}
