package org.peftjava.transformers.training;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.peftjava.transformers.tokenizer.Side;
import org.peftjava.transformers.tokenizer.TokenBatch;
import org.peftjava.transformers.tokenizer.Tokenizer;

/**
 * Pads to the longest example of the batch, for classifiers: padding has attention mask 0 and token
 * type 0. Labels of texts stay as they are; labels of tokens are padded with -100, as Python's
 * {@code DataCollatorForTokenClassification} does. Positions of answers stay as they are.
 *
 * @param padTokenId the id at padded positions
 * @param padToMultipleOf rounds the length of a batch up to a multiple of this; 1 for none
 * @param paddingSide where the padding is
 */
public record DataCollatorWithPadding(long padTokenId, int padToMultipleOf, Side paddingSide)
    implements DataCollator {
  /** Checks the multiple. */
  public DataCollatorWithPadding {
    if (padToMultipleOf < 1) {
      throw new IllegalArgumentException(
          "padToMultipleOf must be at least 1, got " + padToMultipleOf + ".");
    }
  }

  /** Pads on the right with the tokenizer's pad token. */
  public static DataCollatorWithPadding of(Tokenizer tokenizer) {
    return of(tokenizer, 1);
  }

  /** The same, with lengths that are multiples of a number. */
  public static DataCollatorWithPadding of(Tokenizer tokenizer, int padToMultipleOf) {
    return new DataCollatorWithPadding(
        tokenizer
            .padTokenId()
            .orElseThrow(
                () ->
                    new IllegalArgumentException(
                        "The tokenizer has no pad token, which a classifier's batches need. Set"
                            + " dataCollator(…) with one.")),
        padToMultipleOf,
        Side.RIGHT);
  }

  @Override
  public TokenBatch collate(List<Example> examples) {
    checkAlike(examples);
    int longest = examples.stream().mapToInt(Example::length).max().orElse(0);
    int width = (longest + padToMultipleOf - 1) / padToMultipleOf * padToMultipleOf;
    long[][] ids = new long[examples.size()][];
    long[][] mask = new long[examples.size()][];
    long[][] types = new long[examples.size()][];
    long[][] labels = new long[examples.size()][];
    float[][] numbers = new float[examples.size()][];
    for (int row = 0; row < ids.length; row++) {
      Example example = examples.get(row);
      long[] ones = new long[example.length()];
      Arrays.fill(ones, 1);
      ids[row] = padded(example.inputIds(), width, padTokenId);
      mask[row] = padded(ones, width, 0);
      types[row] = padded(example.tokenTypeIds(), width, 0);
      labels[row] =
          example.isOfText() ? example.labels() : padded(example.labels(), width, Example.IGNORED);
      numbers[row] = example.floatLabels();
    }
    Example first = examples.get(0);
    boolean areNumbers = first.floatLabels().length > 0;
    boolean areSpans = first.kind() == Example.Kind.SPAN;
    TokenBatch batch =
        new TokenBatch(
            ids,
            mask,
            areNumbers || areSpans ? Optional.empty() : Optional.of(labels),
            first.tokenTypeIds().length > 0 ? Optional.of(types) : Optional.empty(),
            areNumbers ? Optional.of(numbers) : Optional.empty(),
            areSpans ? Optional.of(labels) : Optional.empty(),
            Optional.empty());
    return Example.withTaskIds(batch, examples);
  }

  private long[] padded(long[] values, int width, long padding) {
    long[] row = new long[width];
    Arrays.fill(row, padding);
    int start = paddingSide == Side.LEFT ? width - values.length : 0;
    System.arraycopy(values, 0, row, start, values.length);
    return row;
  }

  private static void checkAlike(List<Example> examples) {
    Example first = examples.get(0);
    for (Example example : examples) {
      if (example.floatLabels().length != first.floatLabels().length
          || example.kind() != first.kind()
          || (example.tokenTypeIds().length > 0) != (first.tokenTypeIds().length > 0)) {
        throw new IllegalArgumentException(
            "The examples of a batch differ in their kind: "
                + first
                + " has "
                + first.floatLabels().length
                + " numbers, another "
                + example.floatLabels().length
                + "; or labels of different kinds, or only some have token types.");
      }
    }
  }
}
