package org.peftjava.transformers.tokenizer;

/**
 * How ids become text.
 *
 * @param skipSpecialTokens leaves out special tokens such as {@code </s>}; false as in Python
 */
public record DecodeOptions(boolean skipSpecialTokens) {
  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects options. */
  public static final class Builder {
    private boolean skipSpecialTokens;

    private Builder() {}

    /** Whether to leave out special tokens. */
    public Builder skipSpecialTokens(boolean skip) {
      skipSpecialTokens = skip;
      return this;
    }

    /** The options. */
    public DecodeOptions build() {
      return new DecodeOptions(skipSpecialTokens);
    }
  }
}
