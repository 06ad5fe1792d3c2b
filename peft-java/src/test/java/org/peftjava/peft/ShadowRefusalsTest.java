package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.peftjava.peft.tuner.shadow.ShadowConfig;
import org.peftjava.peft.tuner.shadow.ShadowConfigBuilder;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.AutoModelForSequenceClassification;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.model.KvCache;

/** What ShadowPEFT refuses, and says instead. */
@ExtendWith(LedgerCheck.class)
class ShadowRefusalsTest {
  private static ShadowConfigBuilder config() {
    return ShadowConfig.builder().r(2).shadowAlpha(0.8).initWeights(false);
  }

  private static String refused(Runnable action) {
    return assertThrows(RuntimeException.class, action::run).getMessage();
  }

  @ParameterizedTest
  @CsvSource({
    "r,0,r must be 1 or more",
    "shadow_dropout,1.0,shadowDropout must be in [0; 1)",
    "shadow_hidden_size,0,shadowHiddenSize must be 1 or more"
  })
  void configsThatCannotBeAreRefused(String field, double value, String expected) {
    Object given = field.contains("dropout") ? (Object) value : Math.round(value);
    String message = refused(() -> config().build().with(field, given));
    assertTrue(message.contains(expected.replace(';', ',')), message);
  }

  @Test
  void sizesAreForMirroredModelsOnly() {
    String message = refused(() -> config().shadowModel("x").shadowHiddenSize(8).build());
    assertTrue(message.contains("shadowHiddenSize is for shadowModel \"mirror\" only"), message);
  }

  @Test
  void layersWithAGapAreRefused() {
    try (CausalLM base = AutoModelForCausalLM.fromPretrained(Goldens.path("decoder_gemma3/base"))) {
      ShadowConfig gap = config().targetModules("layers.0", "layers.2").build();
      String message = refused(() -> Peft.getPeftModel(base, gap));
      assertTrue(message.contains("layers without a gap"), message);
      ShadowConfig inner = config().targetModules("q_proj").build();
      message = refused(() -> Peft.getPeftModel(base, inner));
      assertTrue(message.contains("whole layers of decoders"), message);
    }
  }

  @Test
  void sizesThatAConfigLacksAndNarrowOutputsAreRefused() {
    try (CausalLM bloom = AutoModelForCausalLM.fromPretrained(Goldens.path("decoder_bloom/base"));
        CausalLM opt = AutoModelForCausalLM.fromPretrained(Goldens.path("decoder_opt/base"))) {
      ShadowConfig sized = config().shadowIntermediateSize(20).build();
      String message = refused(() -> Peft.getPeftModel(bloom, sized));
      assertTrue(message.contains("shadowIntermediateSize cannot be set for a bloom"), message);
      message = refused(() -> Peft.getPeftModel(opt, config().build()));
      assertTrue(message.contains("36 inside and 24 outside"), message);
    }
  }

  @Test
  void encodersAndPairsOfModelsAreRefused() {
    try (var bert =
            AutoModelForSequenceClassification.fromPretrained(Goldens.path("bert_lora/base"));
        var t5 = AutoModelForSeq2SeqLM.fromPretrained(Goldens.path("t5_v10/model"))) {
      assertTrue(
          refused(() -> Peft.getPeftModel(bert, config().build()))
              .contains("but this is a BertForSequenceClassification"));
      assertTrue(
          refused(() -> Peft.getPeftModel(t5, config().build()))
              .contains("SHADOW is for decoders"));
    }
  }

  @Test
  void plainModulesGetNoShadow() {
    try (TinyOpt opt = new TinyOpt()) {
      String message = refused(() -> Peft.injectAdapterInModel(config().build(), opt.base()));
      assertTrue(message.contains("Use Peft.getPeftModel"), message);
      message = refused(() -> opt.base().addAdapter(config().build(), "shadow"));
      assertTrue(message.contains("Use Peft.getPeftModel"), message);
    }
  }

  @Test
  void aProjectedModelWithAWrongFileIsRefused(@TempDir Path folder) throws IOException {
    Path source = Goldens.path("shadow_own/projected");
    Files.copy(source.resolve("config.json"), folder.resolve("config.json"));
    Files.copy(
        Goldens.path("shadow_own/plain").resolve("model.safetensors"),
        folder.resolve("model.safetensors"));
    try (TinyOpt opt = new TinyOpt()) {
      String message =
          refused(
              () -> Peft.getPeftModel(opt.base(), config().shadowModel(folder.toString()).build()));
      assertTrue(message.contains("the shadow model lacks [embed_tokens.weight"), message);
    }
  }

  @Test
  void theModelBelowSaysThatItHasNoState() {
    try (TunerCase tuner = new TunerCase("tuner_shadow");
        PeftModelForCausalLM model = tuner.load()) {
      String message = refused(() -> tuner.logits(tuner.base()));
      assertTrue(message.contains("on the PeftModel"), message);
      assertEquals(1, model.activeAdapters().size());
    }
  }

  @Test
  void aCacheThatTheShadowHasNotSeenIsRefused() {
    try (TunerCase tuner = new TunerCase("tuner_shadow");
        PeftModelForCausalLM model = tuner.load();
        GradMode off = GradMode.noGrad();
        KvCache cache = model.newCache(16)) {
      Tensor ids = tuner.golden("in.input_ids");
      ModelInput first = ModelInput.builder().inputIds(ids.narrow(1, 0, 4)).past(cache).build();
      ModelInput next = ModelInput.builder().inputIds(ids.narrow(1, 4, 1)).past(cache).build();
      model.withoutAdapter(() -> model.forward(first));
      String message = refused(() -> model.forward(next));
      assertTrue(message.contains("holds 4 tokens, of which the shadow model has seen 0"), message);
      cache.crop(0);
      model.forward(first);
      Tensor logits = model.forward(next).logits().orElseThrow();
      Tensor whole =
          model
              .forward(ModelInput.builder().inputIds(ids.narrow(1, 0, 5)).build())
              .logits()
              .orElseThrow();
      assertTrue(TinyOpt.gap(whole.narrow(1, 4, 1), logits) < 1e-5);
    }
  }

  @Test
  void tokensOutsideTheVocabularyAreASentence() {
    try (TunerCase tuner = new TunerCase("tuner_shadow");
        PeftModelForCausalLM model = tuner.load();
        GradMode off = GradMode.noGrad()) {
      ModelInput wrong =
          ModelInput.builder().inputIds(tuner.golden("in.input_ids").mul(40)).build();
      String message = refused(() -> model.forward(wrong));
      assertTrue(message.contains("vocabulary"), message);
    }
  }

  @Test
  void mergingSaysWhatToDoInstead() {
    try (TunerCase tuner = new TunerCase("tuner_shadow");
        PeftModelForCausalLM model = tuner.load()) {
      float[] before = tuner.logits(model).toFloats();
      String message = refused(model::mergeAdapter);
      assertTrue(message.contains("unloadShadow()"), message);
      assertArrayEquals(before, tuner.logits(model).toFloats());
    }
  }

  @Test
  void aProjectionForAnotherBaseIsRefused() {
    String shadow = Goldens.path("shadow_own/projected").toString();
    try (CausalLM base = AutoModelForCausalLM.fromPretrained(Goldens.path("decoder_llama/base"))) {
      String message = refused(() -> Peft.getPeftModel(base, config().shadowModel(shadow).build()));
      assertTrue(message.contains("projection has shape [16, 8]. Expected [36, 8]"), message);
    }
  }
}
