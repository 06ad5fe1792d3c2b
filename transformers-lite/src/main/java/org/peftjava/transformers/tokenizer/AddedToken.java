package org.peftjava.transformers.tokenizer;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * A token that is found in a text before the model sees the text; Python's {@code AddedToken}.
 *
 * @param content its text
 * @param singleWord found only between word boundaries
 * @param lstrip takes the white space before it
 * @param rstrip takes the white space after it
 * @param normalized looked for in the normalized text
 * @param special a control token, which {@code skipSpecialTokens} leaves out
 */
public record AddedToken(
    String content,
    boolean singleWord,
    boolean lstrip,
    boolean rstrip,
    boolean normalized,
    boolean special) {
  /** Checks that there is something to look for. */
  public AddedToken {
    if (content.isEmpty()) {
      throw new IllegalArgumentException("An added token needs a text; this one is empty.");
    }
  }

  /** A token like any other word of the vocabulary. */
  public static AddedToken of(String content) {
    return new AddedToken(content, false, false, false, true, false);
  }

  /** A control token. */
  public static AddedToken special(String content) {
    return new AddedToken(content, false, false, false, false, true);
  }

  AddedToken asSpecial() {
    return new AddedToken(content, singleWord, lstrip, rstrip, normalized, true);
  }

  /** Its entry under {@code added_tokens} in {@code tokenizer.json}. */
  ObjectNode toJson(long id) {
    return JsonNodeFactory.instance
        .objectNode()
        .put("id", id)
        .put("content", content)
        .put("single_word", singleWord)
        .put("lstrip", lstrip)
        .put("rstrip", rstrip)
        .put("normalized", normalized)
        .put("special", special);
  }
}
