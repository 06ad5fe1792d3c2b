package org.peftjava.transformers.generation;

/** Which tokens may follow; Python's {@code prefix_allowed_tokens_fn} (arXiv:2010.00904). */
@FunctionalInterface
public interface PrefixAllowedTokens {
  /**
   * The tokens that may follow; at least one.
   *
   * @param batchId the number of the prompt
   * @param inputIds the tokens so far of one of its rows
   */
  long[] allowed(int batchId, long[] inputIds);
}
