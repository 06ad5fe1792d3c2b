package org.peftjava.transformers.tokenizer;

import java.util.List;

/**
 * Removes the spaces that cutting text at punctuation leaves behind.
 *
 * <p>Reference: transformers {@code PreTrainedTokenizerBase.clean_up_tokenization}.
 */
final class SpaceCleanup {
  private static final List<String> JOINED =
      List.of(" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're");

  private SpaceCleanup() {}

  static String clean(String text) {
    String result = text;
    for (String part : JOINED) {
      result = result.replace(part, part.strip());
    }
    return result;
  }
}
