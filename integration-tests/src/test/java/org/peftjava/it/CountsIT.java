package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftConfig;
import org.peftjava.peft.PeftModelForCausalLM;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.model.opt.OptConfig;

/**
 * The numbers that print_trainable_parameters prints for facebook/opt-125m and opt-350m, from
 * models that are never given memory.
 */
@ExtendWith(NoLeaks.class)
class CountsIT {
  private static CausalLM model(JsonNode config) {
    return AutoModelForCausalLM.withoutWeights(
        OptConfig.builder()
            .vocabSize(config.get("vocab_size").asInt())
            .hiddenSize(config.get("hidden_size").asInt())
            .numHiddenLayers(config.get("num_hidden_layers").asInt())
            .ffnDim(config.get("ffn_dim").asInt())
            .numAttentionHeads(config.get("num_attention_heads").asInt())
            .maxPositionEmbeddings(config.get("max_position_embeddings").asInt())
            .wordEmbedProjDim(config.get("word_embed_proj_dim").asInt())
            .doLayerNormBefore(config.get("do_layer_norm_before").asBoolean())
            .build(),
        DType.FLOAT32);
  }

  /** The keyword arguments of a golden LoraConfig. */
  private static LoraConfig lora(JsonNode arguments) {
    Map<String, @Nullable Object> values = new LinkedHashMap<>();
    arguments
        .properties()
        .forEach(
            entry -> {
              JsonNode value = entry.getValue();
              if (value.isArray()) {
                List<String> names = new ArrayList<>();
                value.forEach(name -> names.add(name.textValue()));
                values.put(entry.getKey(), names);
              } else {
                values.put(
                    entry.getKey(), value.isTextual() ? value.textValue() : value.intValue());
              }
            });
    return LoraConfig.of(values);
  }

  @ParameterizedTest
  @ValueSource(strings = {"opt-125m", "opt-350m"})
  void countsArePythons(String name) {
    JsonNode golden = Golden.json(Golden.ROOT.resolve("counts.json")).at("/models/" + name);
    int rows = 0;
    for (JsonNode row : golden.get("lora")) {
      try (CausalLM base = model(golden.get("config"))) {
        long all = base.namedParameters().values().stream().mapToLong(Parameter::numel).sum();
        assertEquals(golden.get("baseParameters").asLong(), all);
        try (PeftModelForCausalLM model = Peft.getPeftModel(base, lora(row.get("config")))) {
          String what = row.get("label").textValue();
          assertEquals(
              row.get("trainable").asLong(), model.trainableParameters().trainable(), what);
          assertEquals(row.get("all").asLong(), model.trainableParameters().all(), what);
          assertEquals(row.get("printed").textValue(), model.trainableParameters().toString());
          assertFalse(
              base.backbone().inputEmbeddings().table().isMaterialized(), "counting took memory");
          rows++;
        }
      }
    }
    assertEquals(4, rows);
  }

  @ParameterizedTest
  @ValueSource(strings = {"opt-125m", "opt-350m"})
  void countsOfVirtualTokensArePythons(String name, @TempDir Path folder) throws IOException {
    JsonNode golden = Golden.json(Golden.ROOT.resolve("counts.json")).at("/models/" + name);
    int rows = 0;
    for (JsonNode row : golden.get("prompts")) {
      ObjectNode config = row.get("config").deepCopy();
      config.put("task_type", "CAUSAL_LM");
      Files.writeString(folder.resolve("adapter_config.json"), config.toString());
      try (CausalLM base = model(golden.get("config"));
          PeftModelForCausalLM model =
              Peft.getPeftModel(
                  base, PeftConfig.fromPretrained(folder).with("inference_mode", false))) {
        assertEquals(
            row.get("trainable").asLong(), model.trainableParameters().trainable(), "" + config);
        assertEquals(row.get("all").asLong(), model.trainableParameters().all(), "" + config);
        rows++;
      }
    }
    assertEquals(6, rows);
  }

  @Test
  void theNumbersOfTheQuickStart() {
    JsonNode config = Golden.json(Golden.ROOT.resolve("counts.json")).at("/models/opt-350m/config");
    LoraConfig lora =
        LoraConfig.builder().r(16).loraAlpha(32).targetModules("q_proj", "v_proj").build();
    try (CausalLM base = model(config);
        PeftModelForCausalLM model = Peft.getPeftModel(base, lora)) {
      assertEquals(1_572_864, model.trainableParameters().trainable());
      assertEquals(332_769_280, model.trainableParameters().all());
      assertEquals(0.4727, model.trainableParameters().percent(), 5e-5);
      assertTrue(
          model
              .namedParameters()
              .keySet()
              .containsAll(
                  List.of(
                      "base_model.model.model.decoder.layers.23.self_attn.v_proj.lora_B.default.weight",
                      "base_model.model.model.decoder.project_in.weight")));
    }
  }
}
