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

  /** Each prompt {@code copies} times, in rows of their own. */
  long[][] rows(int copies) {
    long[][] rows = new long[prompts.length * copies][];
    Arrays.setAll(rows, row -> prompts[row / copies].clone());
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
