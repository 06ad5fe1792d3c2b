package org.peftjava.transformers.model.opt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.InvalidFileException;

class OptConfigTest {
  @Test
  void absentSettingsHavePythonsDefaults() {
    OptConfig config = read("{}");
    assertEquals(OptConfig.builder().build().json(), config.json());
    assertEquals(50272, config.vocabSize());
    assertEquals(768, config.wordEmbedProjDim());
    assertEquals(0.1, config.dropout());
    assertEquals(OptionalLong.of(1), config.padTokenId());
    assertEquals(List.of(2L), config.eosTokenIds());
  }

  @Test
  void nullIsNotTheDefault() {
    OptConfig config = read("{\"pad_token_id\": null, \"eos_token_id\": null}");
    assertTrue(config.padTokenId().isEmpty());
    assertTrue(config.eosTokenIds().isEmpty());
    assertFalse(config.json().has("pad_token_id"));
  }

  @Test
  void everySettingSurvivesARoundTrip() {
    String text =
        "{\"vocab_size\": 31, \"hidden_size\": 24, \"num_hidden_layers\": 3, \"ffn_dim\": 7,"
            + " \"max_position_embeddings\": 9, \"do_layer_norm_before\": false,"
            + " \"_remove_final_layer_norm\": true, \"word_embed_proj_dim\": 5, \"dropout\": 0.3,"
            + " \"attention_dropout\": 0.2, \"num_attention_heads\": 6,"
            + " \"activation_function\": \"gelu\", \"layerdrop\": 0.4, \"init_std\": 0.05,"
            + " \"use_cache\": false, \"pad_token_id\": 0, \"bos_token_id\": 3,"
            + " \"eos_token_id\": [4, 5], \"enable_bias\": false,"
            + " \"layer_norm_elementwise_affine\": false, \"tie_word_embeddings\": false,"
            + " \"model_type\": \"opt\", \"prefix\": \"</s>\"}";
    OptConfig config = read(text);

    assertEquals(ConfigJson.parse(text, Path.of("config.json")).toJson(), config.json().toJson());
    assertEquals(config, config.toBuilder().build());
    assertEquals(config.json(), OptConfig.of(config.json()).json());
    OptConfig changed = config.toBuilder().ffnDim(8).build();
    assertEquals(8, changed.json().getInt("ffn_dim"));
    assertEquals("</s>", changed.json().getString("prefix"));
  }

  @Test
  void wrongValuesAreExplained() {
    assertFailure("{\"hidden_size\": 10, \"num_attention_heads\": 4}", "hidden_size (10) must be");
    assertFailure("{\"num_hidden_layers\": 0}", "num_hidden_layers is 0");
    assertFailure("{\"dropout\": 1.0}", "dropout is 1.0");
    assertFailure("{\"vocab_size\": 20, \"pad_token_id\": 20}", "pad_token_id is 20");
    assertTrue(
        assertThrows(InvalidFileException.class, () -> read("{\"ffn_dim\": \"many\"}"))
            .getMessage()
            .contains("ffn_dim"));
  }

  private static void assertFailure(String text, String part) {
    String message = assertThrows(IllegalArgumentException.class, () -> read(text)).getMessage();
    assertTrue(message.contains(part), message);
  }

  private static OptConfig read(String text) {
    return OptConfig.of(ConfigJson.parse(text, Path.of("config.json")));
  }
}
