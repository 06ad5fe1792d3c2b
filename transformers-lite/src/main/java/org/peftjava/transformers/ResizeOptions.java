package org.peftjava.transformers;

import java.util.OptionalInt;
import java.util.function.Consumer;

/**
 * How {@code resizeTokenEmbeddings} changes the number of tokens.
 *
 * @param padToMultipleOf what the number of rows is rounded up to a multiple of
 * @param meanResizing whether new rows are drawn near the mean of the old ones, with a billionth of
 *     their covariance; else from N(0, {@code initializer_range})
 */
public record ResizeOptions(OptionalInt padToMultipleOf, boolean meanResizing) {
  static ResizeOptions of(Consumer<Builder> options) {
    Builder builder = new Builder();
    options.accept(builder);
    return builder.build();
  }

  /** Builds {@link ResizeOptions}. */
  public static final class Builder {
    private OptionalInt padToMultipleOf = OptionalInt.empty();
    private boolean meanResizing = true;

    private Builder() {}

    /** Rounds the number of rows up to a multiple of this, such as 64 for a card's cores. */
    public Builder padToMultipleOf(int value) {
      if (value < 1) {
        throw new IllegalArgumentException(
            "padToMultipleOf is " + value + ". Expected a number of at least 1.");
      }
      padToMultipleOf = OptionalInt.of(value);
      return this;
    }

    /** Whether new rows are drawn near the mean of the old ones, as they are unless told. */
    public Builder meanResizing(boolean value) {
      meanResizing = value;
      return this;
    }

    /** The options. */
    public ResizeOptions build() {
      return new ResizeOptions(padToMultipleOf, meanResizing);
    }
  }
}
