package org.peftjava.transformers.generation;

import java.util.Arrays;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;

/**
 * What every way of searching works with: the model's steps, the rules, and where rows may end.
 *
 * @param steps the model
 * @param processors what happens to the logits
 * @param stops what ends a row
 * @param prompts of the decoder (p, n)
 * @param length the longest that rows become, the prompt included
 * @param device of ids and logits
 * @param draw random numbers
 */
@SuppressWarnings("ArrayRecordComponent") // nobody compares searches
record TokenSearch(
    DecodingSteps steps,
    LogitsProcessorList processors,
    StopConditions stops,
    long[][] prompts,
    int length,
    Device device,
    TokenDraw draw) {

  /** Number of tokens of a prompt. */
  int width() {
    return prompts[0].length;
  }

  /** Rows of {@link #length()} tokens: each prompt {@code copies} times, then {@code filler}. */
  long[][] rows(int copies, long filler) {
    long[][] rows = new long[prompts.length * copies][];
    for (int row = 0; row < rows.length; row++) {
      rows[row] = Arrays.copyOf(prompts[row / copies], length);
      Arrays.fill(rows[row], width(), length, filler);
    }
    return rows;
  }

  /** The first {@code at} tokens of rows, as processors and criteria see them. */
  InputIds seen(long[][] rows, int at) {
    return new InputIds(rows, at, device);
  }

  /** The model's logits of the token at a place. */
  Tensor logits(long[][] rows, int at) {
    return steps.logits(rows, at);
  }
}
