package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.lora.LoraInit;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.config.InvalidFileException;

/** Adapters that changed the base become plain LoRA on saving: golden/lora_converted. */
@ExtendWith(LedgerCheck.class)
class LoraInitialConversionTest {
  private static final String WEIGHTS = "adapter_model.safetensors";

  private static Tensor golden(String key) {
    return Goldens.tensors("lora_converted/io.safetensors").get(key);
  }

  private static Path folder(String name) {
    return Goldens.path("lora_converted/" + name);
  }

  private static CausalLM base() {
    return AutoModelForCausalLM.fromPretrained(Goldens.path("opt_lora/base"));
  }

  private static Tensor logits(CausalLanguageModel model) {
    try (GradMode off = GradMode.noGrad()) {
      return masked(
          model
              .forward(
                  ModelInput.builder()
                      .inputIds(golden("in.input_ids"))
                      .attentionMask(golden("in.attention_mask"))
                      .build())
              .logits()
              .orElseThrow());
    }
  }

  private static Tensor masked(Tensor logits) {
    return logits.maskedFill(golden("in.attention_mask").eq(0).unsqueeze(-1), 0);
  }

  @Test
  void aTrainedPissaAdapterBecomesPythonsPlainAdapter(@TempDir Path saved) throws IOException {
    try (TensorScope scope = TensorScope.open("test")) {
      try (CausalLM base = base();
          PeftModelForCausalLM model =
              PeftModel.fromPretrained(base, folder("trained"), options -> {})) {
        Goldens.assertClose(masked(golden("trained.logits")), logits(model), 1e-5, "trained");
        model.savePretrained(
            saved, options -> options.pathInitialModelForWeightConversion(folder("initial")));
      }
      assertArrayEquals(
          Files.readAllBytes(folder("converted").resolve(WEIGHTS)),
          Files.readAllBytes(saved.resolve(WEIGHTS)));
      LoraConfig expected = (LoraConfig) PeftConfig.fromPretrained(folder("converted"));
      LoraConfig written = (LoraConfig) PeftConfig.fromPretrained(saved);
      assertEquals(8, written.r());
      assertEquals(14, written.loraAlpha());
      assertEquals(new LoraInit.Standard(), written.initLoraWeights());
      assertEquals(expected.rankPattern(), written.rankPattern());
      assertEquals(expected.alphaPattern(), written.alphaPattern());
      try (CausalLM base = base();
          PeftModelForCausalLM model = PeftModel.fromPretrained(base, saved, options -> {})) {
        Goldens.assertClose(masked(golden("converted.logits")), logits(model), 1e-5, "converted");
        Goldens.assertClose(
            masked(golden("trained.logits")), logits(model), 2e-5, "the same function");
      }
    }
  }

  @Test
  void whatCannotBeConvertedIsRefused(@TempDir Path saved) throws IOException {
    Map<String, LoraConfig> refused =
        Map.of(
            "DoRA",
            LoraConfig.builder().targetModules("q_proj").useDora(true).build(),
            "useRslora",
            LoraConfig.builder()
                .targetModules("q_proj")
                .useRslora(true)
                .rankPattern(Map.of("q_proj", 2))
                .build());
    try (TensorScope scope = TensorScope.open("test");
        CausalLM base = base()) {
      refused.forEach(
          (reason, config) -> {
            try (PeftModelForCausalLM model = Peft.getPeftModel(base, config)) {
              String message =
                  assertThrows(
                          IllegalArgumentException.class,
                          () ->
                              model.savePretrained(
                                  saved,
                                  o -> o.pathInitialModelForWeightConversion(folder("initial"))))
                      .getMessage();
              assertTrue(message.contains(reason), message);
            }
          });
      try (PeftModelForCausalLM model =
          Peft.getPeftModel(base, LoraConfig.builder().targetModules("out_proj").build())) {
        assertThrows(
            InvalidFileException.class,
            () ->
                model.savePretrained(
                    saved, o -> o.pathInitialModelForWeightConversion(folder("initial"))));
      }
      assertTrue(Files.notExists(saved.resolve(WEIGHTS)));
    }
  }

  @Test
  void aFailedLoadLeavesTheBaseAsItWas(@TempDir Path broken) throws IOException {
    try (TensorScope scope = TensorScope.open("test");
        CausalLM base = base()) {
      float[] before = values(base);
      Files.copy(
          folder("trained").resolve("adapter_config.json"), broken.resolve("adapter_config.json"));
      Files.copy(Goldens.path("tuner_dora/adapter/" + WEIGHTS), broken.resolve(WEIGHTS));
      assertThrows(
          InvalidFileException.class, () -> PeftModel.fromPretrained(base, broken, o -> {}));
      assertArrayEquals(before, values(base));
    }
  }

  private static float[] values(CausalLM base) {
    for (Map.Entry<String, Parameter> entry : base.namedState().entrySet()) {
      if (entry.getKey().endsWith("layers.0.fc1.weight")) {
        return entry.getValue().tensor().toFloats();
      }
    }
    throw new IllegalStateException("no fc1");
  }
}
