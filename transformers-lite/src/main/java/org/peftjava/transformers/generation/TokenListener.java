package org.peftjava.transformers.generation;

import java.util.function.BooleanSupplier;
import java.util.function.IntConsumer;

/** Hears of every token as it is generated, and may stop the generation. */
@FunctionalInterface
public interface TokenListener {
  /** Hears nothing and never stops. */
  TokenListener NONE = tokens -> true;

  /**
   * Takes one step's tokens, one per row; rows that have ended get the padding token.
   *
   * @return whether to go on
   */
  boolean onTokens(long[] tokens);

  /** Passes on the tokens of a batch of one row. */
  static TokenListener streaming(IntConsumer consumer) {
    return tokens -> {
      if (tokens.length != 1) {
        throw new IllegalArgumentException(
            "A stream of single tokens needs a batch of one row, got "
                + tokens.length
                + ". Use a TokenListener, which gets one token per row.");
      }
      consumer.accept(Math.toIntExact(tokens[0]));
      return true;
    };
  }

  /** Stops when the flag is set; the tokens generated so far are returned. */
  static TokenListener cancelledBy(BooleanSupplier cancelled) {
    return tokens -> !cancelled.getAsBoolean();
  }

  /** Both of two listeners; goes on only if both do. */
  default TokenListener and(TokenListener other) {
    return tokens -> {
      boolean first = onTokens(tokens);
      return other.onTokens(tokens) && first; // both hear of the tokens, whatever the first says
    };
  }
}
