package org.peftjava.transformers.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.peftjava.transformers.config.InvalidFileException;

/** Tokens and their ids, in both directions: those of the model and the added ones. */
final class Vocabulary {
  private static final long MAX_ID = Integer.MAX_VALUE;

  private final Map<String, Long> ids = new HashMap<>();
  private final Map<Long, String> tokens = new HashMap<>();
  private int modelSize;

  private Vocabulary() {}

  /** Reads {@code model.vocab} and {@code added_tokens} of a {@code tokenizer.json} tree. */
  static Vocabulary of(JsonNode tokenizerJson, Path file) {
    Vocabulary vocabulary = new Vocabulary();
    JsonNode vocab = tokenizerJson.path("model").path("vocab");
    if (vocab.isArray()) { // Unigram: [[token, score], ...], the place is the id
      long id = 0;
      for (JsonNode entry : vocab) {
        vocabulary.put(entry.path(0).asText(), id++);
      }
    } else if (vocab.isObject()) {
      vocab
          .properties()
          .forEach(entry -> vocabulary.put(entry.getKey(), checkedId(entry.getValue(), file)));
    } else {
      throw new InvalidFileException(file, "has no vocabulary (model.vocab).");
    }
    vocabulary.modelSize = vocabulary.ids.size();
    for (JsonNode added : tokenizerJson.path("added_tokens")) {
      vocabulary.put(added.path("content").asText(), checkedId(added.path("id"), file));
    }
    return vocabulary;
  }

  static long checkedId(JsonNode id, Path file) {
    if (!id.isIntegralNumber() || !id.canConvertToInt() || id.longValue() < 0) {
      throw new InvalidFileException(
          file,
          "has a token with the id " + id + "; expected a whole number from 0 to " + MAX_ID + ".");
    }
    return id.longValue();
  }

  private void put(String token, long id) {
    ids.put(token, id);
    tokens.put(id, token);
  }

  /** Number of tokens of the model of a {@code tokenizer.json} tree. */
  static int modelSize(JsonNode tokenizerJson) {
    return tokenizerJson.path("model").path("vocab").size();
  }

  /** Number of tokens of the model, without added ones that it does not have. */
  int modelSize() {
    return modelSize;
  }

  /** Number of all tokens. */
  int size() {
    return ids.size();
  }

  Map<String, Long> toMap() {
    return new HashMap<>(ids);
  }

  OptionalLong id(String token) {
    Long id = ids.get(token);
    return id == null ? OptionalLong.empty() : OptionalLong.of(id);
  }

  Optional<String> token(long id) {
    return Optional.ofNullable(tokens.get(id));
  }

  /** The token of each id. */
  List<String> tokens(long[] wanted) {
    List<String> result = new ArrayList<>(wanted.length);
    for (long id : wanted) {
      result.add(
          token(id)
              .orElseThrow(
                  () ->
                      new IllegalArgumentException(
                          "The vocabulary has no token with the id "
                              + id
                              + "; it has "
                              + size()
                              + " tokens.")));
    }
    return List.copyOf(result);
  }

  /** The id of each token, and that of the unknown token for others. */
  long[] ids(List<String> wanted, OptionalLong unknown) {
    long[] result = new long[wanted.size()];
    for (int i = 0; i < result.length; i++) {
      String token = wanted.get(i);
      OptionalLong id = id(token);
      result[i] =
          (id.isPresent() ? id : unknown)
              .orElseThrow(
                  () ->
                      new IllegalArgumentException(
                          "\""
                              + token
                              + "\" is not in the vocabulary, and the tokenizer has no unknown"
                              + " token to stand for it."));
    }
    return result;
  }
}
