package org.peftjava.transformers.generation;

/**
 * Guesses how a text goes on, so that the model can check several tokens at once. A wrong guess
 * costs time only. Owns its memory: close it.
 *
 * <p>Reference: transformers' {@code candidate_generator.py}.
 */
interface CandidateGenerator extends AutoCloseable {
  /**
   * Guesses the next tokens.
   *
   * @param ids one row, of which the first {@code at} tokens count
   * @param most how many tokens at most, at least 1
   */
  long[] candidates(long[][] ids, int at, int most);

  /** Hears how many of the guessed tokens were right. */
  default void update(int guessed, int right) {}

  @Override
  default void close() {}
}
