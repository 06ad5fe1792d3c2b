package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;
import org.peftjava.peft.AutoPeftModelForCausalLM;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModel;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.tokenizer.TokenBatch;

/** Damaged adapter folders: what is refused, and in which words. */
@ExtendWith(NoLeaks.class)
class BadAdapterFilesIT {
  private static final String WEIGHTS = "adapter_model.safetensors";
  private static final String CONFIG = "adapter_config.json";

  static final List<Damage> DAMAGES =
      List.of(
          new Damage(
              "no config",
              folder -> Refusal.delete(folder.resolve(CONFIG)),
              "no " + CONFIG,
              "Expected a folder"),
          new Damage(
              "no weights",
              folder -> Refusal.delete(folder.resolve(WEIGHTS)),
              "no " + WEIGHTS,
              "Expected a folder"),
          new Damage(
              "cut", folder -> Refusal.truncate(folder.resolve(WEIGHTS), -1), WEIGHTS, "cut short"),
          new Damage(
              "not UTF-8",
              folder -> Refusal.replace(folder.resolve(CONFIG), "LORA", "\u00ff"),
              CONFIG,
              "UTF-8"),
          Damage.text(CONFIG, "\"LORA\"", "\"MAGIC\"", CONFIG, "MAGIC", "LORA"),
          Damage.text(CONFIG, "\"LORA\"", "3", CONFIG, "peft_type"),
          Damage.text(CONFIG, "\"r\": 4", "\"r\": \"four\"", CONFIG, "r", "four"),
          Damage.text(CONFIG, "\"r\": 4", "\"r\": 0", CONFIG, "r", "0", "positive"),
          Damage.text(
              CONFIG, "\"r\": 4", "\"r\": 6", WEIGHTS, "[4, 16]", "[6, 16]", "belong together"),
          Damage.text(
              CONFIG,
              "\"lora_alpha\": 10",
              "\"lora_alpha\": true",
              CONFIG,
              "loraAlpha",
              "a number",
              "true"),
          Damage.text(
              CONFIG, "\"lora_dropout\": 0.0", "\"lora_dropout\": 1.5", CONFIG, "1.5", "[0, 1)"),
          Damage.text(
              CONFIG, "\"bias\": \"none\"", "\"bias\": \"some\"", CONFIG, "bias", "some", "all"),
          Damage.text(CONFIG, "\"use_dora\": false", "\"use_dora\": true", "use"),
          Damage.text(CONFIG, "\"q_proj\"", "\"query\"", "query", "q_proj"),
          Damage.text(CONFIG, "\"q_proj\"", "12", CONFIG, "targetModules", "[12]"),
          Damage.header(WEIGHTS, "base_model.model.", "", "base_model.model.", "prefix"),
          Damage.header(
              WEIGHTS, "lora_A", "lora_C", "missing", "lora_A", "unexpected", "lora_C", "lenient"),
          Damage.header(WEIGHTS, "\"shape\":[4,16]", "\"shape\":[16,4]", "[16, 4]", "[4, 16]"));

  @TempDir private Path folder;
  private Path base;
  private Path adapter;

  @BeforeEach
  void write() {
    base = folder.resolve("base");
    adapter = folder.resolve("adapter");
    try (CausalLM model = TinyOpt.model(TinyOpt.config())) {
      model.savePretrained(base);
    }
    LoraConfig lora =
        LoraConfig.builder()
            .r(4)
            .loraAlpha(10)
            .targetModules("q_proj")
            .initLoraWeights(false)
            .build();
    try (CausalLM model = AutoModelForCausalLM.fromPretrained(base);
        PeftModelForCausalLM adapted = Peft.getPeftModel(model, lora)) {
      adapted.savePretrained(adapter);
    }
  }

  @ParameterizedTest
  @FieldSource("DAMAGES")
  void damagedFolders(Damage damage) {
    damage.action().accept(adapter);
    String[] facts = damage.facts();
    try (TensorScope scope = TensorScope.open("test");
        CausalLM model = AutoModelForCausalLM.fromPretrained(base)) {
      float[] before = logits(model);
      Refusal.of(folder, () -> PeftModel.fromPretrained(model, adapter.toString()), facts);
      assertArrayEquals(before, logits(model));
      try (PeftModelForCausalLM intact =
          Peft.getPeftModel(model, LoraConfig.builder().targetModules("v_proj").build())) {
        Refusal.of(folder, () -> intact.loadAdapter(adapter.toString(), "other"), facts);
        assertEquals(List.of("default"), List.copyOf(intact.peftConfig().keySet()));
      }
    }
    Refusal.of(folder, () -> AutoPeftModelForCausalLM.fromPretrained(adapter.toString()), facts);
  }

  private static float[] logits(CausalLM model) {
    long[][] ids = {{2, 3, 4}};
    return model.forward(TokenBatch.of(ids)).logits().orElseThrow().toFloats();
  }

  @Test
  void theBaseModelIsNotThere() {
    Refusal.replace(adapter.resolve(CONFIG), base.toString(), "nobody/nothing");
    Refusal.of(
        folder,
        () -> AutoPeftModelForCausalLM.fromPretrained(adapter.toString()),
        "nobody/nothing",
        "download");
  }
}
