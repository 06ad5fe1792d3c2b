package org.peftjava.transformers.tokenizer;

import java.util.Optional;

/**
 * How ids become text.
 *
 * @param skipSpecialTokens leaves out special tokens such as {@code </s>}; false as in Python
 * @param cleanUpTokenizationSpaces joins punctuation to the word before it; the tokenizer's own
 *     setting where absent. Not done for BPE tokenizers, as in Python
 */
public record DecodeOptions(
    boolean skipSpecialTokens, Optional<Boolean> cleanUpTokenizationSpaces) {
  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects options. */
  public static final class Builder {
    private boolean skipSpecialTokens;
    private Optional<Boolean> cleanUpTokenizationSpaces = Optional.empty();

    private Builder() {}

    /** Whether to leave out special tokens. */
    public Builder skipSpecialTokens(boolean skip) {
      skipSpecialTokens = skip;
      return this;
    }

    /** Whether to join punctuation to the word before it. */
    public Builder cleanUpTokenizationSpaces(boolean cleanUp) {
      cleanUpTokenizationSpaces = Optional.of(cleanUp);
      return this;
    }

    /** The options. */
    public DecodeOptions build() {
      return new DecodeOptions(skipSpecialTokens, cleanUpTokenizationSpaces);
    }
  }
}
