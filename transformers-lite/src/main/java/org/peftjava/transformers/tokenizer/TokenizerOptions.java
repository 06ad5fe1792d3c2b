package org.peftjava.transformers.tokenizer;

import java.util.Optional;
import java.util.OptionalInt;

/**
 * What to change about a tokenizer while loading it.
 *
 * @param padToken the token that fills short rows, such as the end token for a model without one
 * @param paddingSide where short rows are padded
 * @param truncationSide where long rows are cut
 * @param modelMaxLength longest row that truncation leaves unless it is told otherwise
 */
public record TokenizerOptions(
    Optional<String> padToken,
    Optional<Side> paddingSide,
    Optional<Side> truncationSide,
    OptionalInt modelMaxLength) {
  /** A builder that changes nothing. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects options. */
  public static final class Builder {
    private Optional<String> padToken = Optional.empty();
    private Optional<Side> paddingSide = Optional.empty();
    private Optional<Side> truncationSide = Optional.empty();
    private OptionalInt modelMaxLength = OptionalInt.empty();

    private Builder() {}

    /** The token that fills short rows; it must be in the vocabulary. */
    public Builder padToken(String token) {
      padToken = Optional.of(token);
      return this;
    }

    /** Where short rows are padded. */
    public Builder paddingSide(Side side) {
      paddingSide = Optional.of(side);
      return this;
    }

    /** Where long rows are cut. */
    public Builder truncationSide(Side side) {
      truncationSide = Optional.of(side);
      return this;
    }

    /** Longest row that truncation leaves. */
    public Builder modelMaxLength(int tokens) {
      modelMaxLength = OptionalInt.of(tokens);
      return this;
    }

    /** The options. */
    public TokenizerOptions build() {
      return new TokenizerOptions(padToken, paddingSide, truncationSide, modelMaxLength);
    }
  }
}
