package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;

/** ensureWeightTying: golden/lora_tied, and what golden/lora_saved_tied leaves open. */
@ExtendWith(LedgerCheck.class)
class TiedLoraTest {
  private static final Path ADAPTER = Goldens.path("lora_tied/adapter");
  private static final String TABLE = "model.decoder.embed_tokens";

  @Test
  void oneAdapterActsInTableAndHead(@TempDir Path folder) throws IOException {
    try (TinyOpt opt = new TinyOpt();
        PeftModelForCausalLM model =
            PeftModel.fromPretrained(opt.base(), ADAPTER, o -> o.isTrainable(true))) {
      Map<String, Tensor> golden = Goldens.tensors("lora_tied/io.safetensors");
      model.eval();
      Tensor padding = golden.get("in.attention_mask").eq(0).unsqueeze(-1);
      Tensor expected = golden.get("adapter.logits").maskedFill(padding, 0);
      Goldens.assertClose(expected, opt.logits(model), 1e-5, "logits");
      model
          .forward(
              ModelInput.builder()
                  .inputIds(golden.get("in.input_ids"))
                  .attentionMask(golden.get("in.attention_mask"))
                  .labels(golden.get("in.labels"))
                  .build())
          .loss()
          .orElseThrow()
          .backward();
      int compared = 0;
      for (Map.Entry<String, Parameter> entry : model.namedParameters().entrySet()) {
        if (entry.getValue().requiresGrad()) {
          Goldens.assertClose(
              golden.get("grad." + entry.getKey()),
              entry.getValue().tensor().grad().orElseThrow(),
              1e-4,
              entry.getKey());
          compared++;
        }
      }
      assertEquals(golden.keySet().stream().filter(k -> k.startsWith("grad.")).count(), compared);
      model.zeroGrad();
      model.savePretrained(folder);
      assertArrayEquals(
          Files.readAllBytes(ADAPTER.resolve("adapter_model.safetensors")),
          Files.readAllBytes(folder.resolve("adapter_model.safetensors")));
      model.mergeAdapter();
      Goldens.assertClose(expected, opt.logits(model), 4e-5, "merged, once");
      model.unmergeAdapter();
      Goldens.assertClose(expected, opt.logits(model), 4e-5, "unmerged");
      Map<String, Parameter> state = model.mergeAndUnload().namedState();
      assertSame(state.get(TABLE + ".weight"), state.get("lm_head.weight"));
    }
  }

  @Test
  void namesAndPatternsAreCompletedAsPythonDoes() {
    try (TinyOpt opt = new TinyOpt();
        PeftModelForCausalLM model =
            Peft.getPeftModel(
                opt.base(),
                LoraConfig.builder()
                    .targetModules(TargetModules.regex(".*(q_proj|lm_head)"))
                    .ensureWeightTying(true)
                    .build())) {
      assertEquals(
          "(?:.*(q_proj|lm_head)|^model\\.decoder\\.embed_tokens$)",
          model.peftConfig().get("default").fields().get("target_modules"));
      assertEquals(4, model.getLayerStatus().size());
      model.addAdapter(
          "names",
          LoraConfig.builder().targetModules("q_proj", "lm_head").ensureWeightTying(true).build());
      assertEquals(
          List.of("q_proj", TABLE), model.peftConfig().get("names").fields().get("target_modules"));
    }
  }

  @Test
  void oneFullCopyIsTrainedMergedAndSavedAsInPython(@TempDir Path folder) throws IOException {
    TunerGoldensTest goldens = new TunerGoldensTest();
    goldens.parametersLogitsAndGradients("lora_saved_tied");
    goldens.threeOptimizerSteps("lora_saved_tied");
    goldens.mergedUnmergedAndUnloaded("lora_saved_tied");
    goldens.savedFilesArePythons("lora_saved_tied", folder);
  }

  @Test
  void aMergedFullCopyIsOneWeight() {
    try (TunerCase tuner = new TunerCase("lora_saved_tied");
        PeftModelForCausalLM model = tuner.load()) {
      Map<String, Parameter> state = model.mergeAndUnload().namedState();
      assertSame(state.get(TABLE + ".weight"), state.get("lm_head.weight"));
    }
  }

  @Test
  void mistakesChangeNothing() {
    try (TinyOpt opt = new TinyOpt()) {
      LoraConfig dora =
          LoraConfig.builder()
              .targetModules("embed_tokens")
              .useDora(true)
              .ensureWeightTying(true)
              .build();
      assertThrows(IllegalArgumentException.class, () -> Peft.getPeftModel(opt.base(), dora));
      LoraConfig both =
          LoraConfig.builder()
              .targetModules("lm_head")
              .modulesToSave("embed_tokens")
              .ensureWeightTying(true)
              .build();
      String message =
          assertThrows(IllegalArgumentException.class, () -> Peft.getPeftModel(opt.base(), both))
              .getMessage();
      assertTrue(message.contains("lm_head") && message.contains("trained in full"), message);
      assertTrue(opt.base().namedState().keySet().stream().noneMatch(k -> k.contains("lora")));
    }
  }

  @Test
  void anUntiedModelIsAdaptedAsItIs() {
    try (CausalLM base = AutoModelForCausalLM.fromPretrained(Goldens.path("opt_embedding/base"));
        PeftModelForCausalLM model =
            Peft.getPeftModel(
                base,
                LoraConfig.builder()
                    .targetModules("embed_tokens", "lm_head")
                    .ensureWeightTying(true)
                    .build())) {
      assertEquals(2, model.getLayerStatus().size());
      assertTrue(
          model.namedParameters().containsKey("base_model.model.lm_head.lora_A.default.weight"));
    }
  }
}
