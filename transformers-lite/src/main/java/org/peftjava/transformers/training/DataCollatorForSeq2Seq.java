package org.peftjava.transformers.training;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.ToIntFunction;
import org.peftjava.transformers.tokenizer.Side;
import org.peftjava.transformers.tokenizer.TokenBatch;
import org.peftjava.transformers.tokenizer.Tokenizer;

/**
 * Pads sources and targets for an encoder-decoder, each to the longest of the batch: sources with
 * attention mask 0, targets with -100. The decoder's input is made by the model, of the labels.
 *
 * @param padTokenId the id at padded positions of sources
 * @param padToMultipleOf rounds both lengths up to a multiple of this; 1 for none
 * @param paddingSide where the padding is
 */
public record DataCollatorForSeq2Seq(long padTokenId, int padToMultipleOf, Side paddingSide)
    implements DataCollator {
  /** Checks the multiple. */
  public DataCollatorForSeq2Seq {
    if (padToMultipleOf < 1) {
      throw new IllegalArgumentException(
          "padToMultipleOf must be at least 1, got " + padToMultipleOf + ".");
    }
  }

  /** Pads on the right with the tokenizer's pad token, or 0. */
  public static DataCollatorForSeq2Seq of(Tokenizer tokenizer) {
    return of(tokenizer, 1);
  }

  /** The same, with lengths that are multiples of a number. */
  public static DataCollatorForSeq2Seq of(Tokenizer tokenizer, int padToMultipleOf) {
    return new DataCollatorForSeq2Seq(
        tokenizer.padTokenId().orElse(0), padToMultipleOf, Side.RIGHT);
  }

  @Override
  public TokenBatch collate(List<Example> examples) {
    int width = width(examples, Example::length);
    int targetWidth = width(examples, example -> example.labels().length);
    long[][] ids = new long[examples.size()][];
    long[][] mask = new long[examples.size()][];
    long[][] labels = new long[examples.size()][];
    for (int row = 0; row < ids.length; row++) {
      Example example = examples.get(row);
      long[] ones = new long[example.length()];
      Arrays.fill(ones, 1);
      ids[row] = padded(example.inputIds(), width, padTokenId);
      mask[row] = padded(ones, width, 0);
      labels[row] = padded(example.labels(), targetWidth, Example.IGNORED);
    }
    return Example.withTaskIds(new TokenBatch(ids, mask, Optional.of(labels)), examples);
  }

  private int width(List<Example> examples, ToIntFunction<Example> length) {
    int longest = examples.stream().mapToInt(length).max().orElse(0);
    return (longest + padToMultipleOf - 1) / padToMultipleOf * padToMultipleOf;
  }

  private long[] padded(long[] values, int width, long padding) {
    long[] row = new long[width];
    Arrays.fill(row, padding);
    int start = paddingSide == Side.LEFT ? width - values.length : 0;
    System.arraycopy(values, 0, row, start, values.length);
    return row;
  }
}
