package org.peftjava.transformers.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.Set;
import org.peftjava.transformers.config.ConfigJson;

/**
 * {@code add_prefix_space} of tokenizers over bytes: their Python classes build the part of {@code
 * tokenizer.json} that knows it anew, from {@code tokenizer_config.json}.
 *
 * <p>Reference: {@code models/{roberta,gpt2,gpt_neox,qwen2}/tokenization_*.py}.
 */
final class PrefixSpace {
  static final String KEY = "add_prefix_space";

  private static final Set<TokenizerClass> BUILT =
      Set.of(
          TokenizerClass.ROBERTA,
          TokenizerClass.GPT2,
          TokenizerClass.GPT_NEOX,
          TokenizerClass.QWEN2);

  private PrefixSpace() {}

  /** Follows the config, where it says something and the class listens to it. */
  static void apply(ObjectNode json, ConfigJson config, TokenizerClass kind) {
    if (BUILT.contains(kind) && config.has(KEY)) {
      boolean space = config.getBoolean(KEY, false);
      set(json.path("pre_tokenizer"), "ByteLevel", space);
      set(json.path("post_processor"), "RobertaProcessing", space);
    }
  }

  /** Fails if the class does not know the setting. */
  static void require(ObjectNode json, TokenizerClass kind, Path folder) {
    if (!BUILT.contains(kind) || !isOfBytes(json.path("pre_tokenizer"))) {
      throw new IllegalArgumentException(
          "addPrefixSpace is for tokenizers over bytes (RoBERTa, BART, GPT-2, GPT-NeoX, Qwen), not"
              + " for the "
              + kind.pythonName()
              + " in "
              + folder
              + ". Leave it out.");
    }
  }

  private static boolean isOfBytes(JsonNode part) {
    boolean found = part.path("type").asText().equals("ByteLevel");
    for (JsonNode inner : part.path("pretokenizers")) {
      found |= isOfBytes(inner);
    }
    return found;
  }

  private static void set(JsonNode part, String type, boolean space) {
    if (part instanceof ObjectNode node && part.path("type").asText().equals(type)) {
      node.put(KEY, space);
    }
    part.path("pretokenizers").forEach(inner -> set(inner, type, space));
  }
}
