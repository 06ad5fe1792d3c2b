package org.peftjava.transformers.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import org.peftjava.transformers.checkpoint.FileBatch;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.InvalidFileException;
import org.peftjava.transformers.config.PythonJson;

/**
 * The files of a tokenizer, brought into one form.
 *
 * @param tokenizerJson a {@code tokenizer.json} tree, with all special tokens and without
 *     truncation and padding
 * @param config {@code tokenizer_config.json}, with what {@code special_tokens_map.json} adds
 */
record TokenizerFiles(ObjectNode tokenizerJson, ConfigJson config) {
  static final String TOKENIZER = "tokenizer.json";
  static final String CONFIG = "tokenizer_config.json";
  static final String SPECIAL_TOKENS = "special_tokens_map.json";
  static final String VOCAB = "vocab.json";
  static final String MERGES = "merges.txt";
  static final long MAX_BYTES = 512L << 20;

  static TokenizerFiles read(Path folder) {
    FileBatch.finishInterrupted(folder);
    ConfigJson config = config(folder);
    Path fast = folder.resolve(TOKENIZER);
    boolean isFast = Files.exists(fast);
    ObjectNode json;
    if (isFast) {
      if (!(PythonJson.read(fast, MAX_BYTES) instanceof ObjectNode object)) {
        throw new InvalidFileException(fast, "is not a JSON object.");
      }
      json = object;
      json.putNull("truncation");
      json.putNull("padding");
    } else if (Files.exists(folder.resolve(VOCAB)) && Files.exists(folder.resolve(MERGES))) {
      config = BpeTokenizerJson.withDefaults(config);
      json = BpeTokenizerJson.build(folder.resolve(VOCAB), folder.resolve(MERGES), config);
    } else {
      throw new UncheckedIOException(
          "There is no tokenizer in "
              + folder
              + ": expected "
              + TOKENIZER
              + ", or "
              + VOCAB
              + " and "
              + MERGES
              + ". Save it there with Python: tokenizer.save_pretrained(folder).",
          new NoSuchFileException(folder.resolve(TOKENIZER).toString()));
    }
    Vocabulary vocabulary = Vocabulary.of(json, isFast ? fast : folder.resolve(VOCAB));
    addSpecialTokens(json, vocabulary, SpecialTokens.of(config));
    return new TokenizerFiles(json, config);
  }

  /** Keys of special_tokens_map.json win over the config, as in Python. */
  private static ConfigJson config(Path folder) {
    Path file = folder.resolve(CONFIG);
    ConfigJson config = Files.exists(file) ? ConfigJson.read(file) : ConfigJson.empty(file);
    Path special = folder.resolve(SPECIAL_TOKENS);
    if (Files.exists(special) && !config.has("added_tokens_decoder")) {
      ConfigJson map = ConfigJson.read(special);
      for (String key : map.keys()) {
        if (map.has(key)) {
          config = config.with(key, map.node(key).orElseThrow());
        }
      }
    }
    return config;
  }

  /** Special tokens that the tree does not list yet: known ones keep their id, new ones get one. */
  private static void addSpecialTokens(
      ObjectNode json, Vocabulary vocabulary, SpecialTokens special) {
    ArrayNode added = json.withArray("added_tokens");
    Map<Long, JsonNode> sorted = new TreeMap<>();
    Map<String, Long> listed = new LinkedHashMap<>();
    for (JsonNode token : added) {
      sorted.put(token.path("id").asLong(), token);
      listed.put(token.path("content").asText(), token.path("id").asLong());
    }
    long next = vocabulary.size();
    for (SpecialTokens.Entry token : special.all()) {
      if (!listed.containsKey(token.content())) {
        long id = vocabulary.id(token.content()).orElse(next);
        next = Math.max(next, id + 1);
        listed.put(token.content(), id);
        sorted.put(id, token.toJson(id));
      }
    }
    added.removeAll();
    sorted.values().forEach(added::add);
  }
}
