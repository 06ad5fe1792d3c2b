package org.peftjava.transformers.tokenizer;

import java.util.List;
import java.util.Optional;

/**
 * Everything a tokenizer says about a batch; Python's {@code BatchEncoding}. {@code b} rows of
 * {@code t} tokens; without padding the rows differ in length. The arrays are not copied, so do not
 * change them.
 *
 * @param inputIds token ids (b, t)
 * @param attentionMask 1 for tokens, 0 for padding (b, t)
 * @param tokenTypeIds 0 or 1: which text of a pair a token belongs to, for models that want to know
 *     (b, t)
 * @param specialTokensMask 1 for the special tokens around the texts and for padding (b, t)
 * @param sequenceIds 0 for tokens of the first text, 1 of the second, -1 for the others (b, t)
 * @param wordIds the word of each token, counted in its text; -1 for special tokens around the
 *     texts and padding (b, t). What a word is, the tokenizer says
 * @param offsetMapping begin and end of each token in its text, in chars as {@link
 *     String#substring(int, int)} takes them; 0, 0 for special tokens and padding (b, t, 2)
 * @param overflowToSampleMapping which text a row comes from (b)
 */
public record BatchEncoding(
    long[][] inputIds,
    long[][] attentionMask,
    long[][] tokenTypeIds,
    long[][] specialTokensMask,
    int[][] sequenceIds,
    int[][] wordIds,
    int[][][] offsetMapping,
    int[] overflowToSampleMapping) {
  /** Number of rows. */
  public int size() {
    return inputIds.length;
  }

  /** Ids and mask for a model; the rows must have one length. */
  public TokenBatch toTokenBatch() {
    return toTokenBatch(List.of());
  }

  /**
   * What a model needs; the rows must have one length.
   *
   * @param modelInputNames the tokenizer's, which say whether there are token types
   */
  public TokenBatch toTokenBatch(List<String> modelInputNames) {
    return new TokenBatch(
        inputIds,
        attentionMask,
        Optional.empty(),
        modelInputNames.contains("token_type_ids") ? Optional.of(tokenTypeIds) : Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty());
  }
}
