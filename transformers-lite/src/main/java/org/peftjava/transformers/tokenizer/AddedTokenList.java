package org.peftjava.transformers.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Adds tokens to the {@code added_tokens} of a {@code tokenizer.json} tree.
 *
 * <p>Reference: tokenizers {@code tokenizer/added_vocabulary.rs::AddedVocabulary::add_tokens}. A
 * token that the vocabulary has keeps its id; others get the next free ones.
 */
final class AddedTokenList {
  private final ObjectNode json;
  private final Vocabulary vocabulary;
  private final TreeMap<Long, JsonNode> byId = new TreeMap<>();
  private final Map<String, Long> ids = new HashMap<>();

  private AddedTokenList(ObjectNode json, Vocabulary vocabulary) {
    this.json = json;
    this.vocabulary = vocabulary;
    for (JsonNode token : json.withArray("added_tokens")) {
      byId.put(token.path("id").asLong(), token);
      ids.put(token.path("content").asText(), token.path("id").asLong());
    }
  }

  /** Adds those that a config names; what the tree lists stays as it is, but for the decoder's. */
  static void addNamed(ObjectNode json, Vocabulary vocabulary, SpecialTokens special) {
    Set<String> listed = new HashSet<>();
    json.withArray("added_tokens").forEach(token -> listed.add(token.path("content").asText()));
    special.decoder().values().forEach(token -> listed.remove(token.content()));
    List<AddedToken> tokens = new ArrayList<>(special.all());
    tokens.removeIf(token -> listed.contains(token.content()));
    add(json, vocabulary, tokens);
  }

  /** Adds or changes tokens; returns how many were not listed as they are now. */
  static int add(ObjectNode json, Vocabulary vocabulary, List<AddedToken> tokens) {
    AddedTokenList list = new AddedTokenList(json, vocabulary);
    int count = 0;
    for (AddedToken token : tokens) {
      count += list.add(token) ? 1 : 0;
    }
    ArrayNode added = json.withArray("added_tokens");
    added.removeAll();
    list.byId.values().forEach(added::add);
    return count;
  }

  private boolean add(AddedToken token) {
    Long listed = ids.get(token.content());
    long id = listed != null ? listed : vocabulary.id(token.content()).orElse(nextId());
    ObjectNode entry = token.toJson(id);
    if (entry.toString().equals(String.valueOf(byId.put(id, entry)))) {
      return false;
    }
    ids.put(token.content(), id);
    return true;
  }

  private long nextId() {
    long size = Vocabulary.modelSize(json);
    return byId.isEmpty() ? size : Math.max(size, byId.lastKey() + 1);
  }
}
