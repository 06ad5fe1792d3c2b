package org.peftjava.transformers.training;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.peftjava.transformers.tokenizer.Side;
import org.peftjava.transformers.tokenizer.TokenBatch;
import org.peftjava.transformers.tokenizer.Tokenizer;

/**
 * Pads to the longest example of the batch; padding has attention mask 0 and label -100.
 *
 * <p>Unlike Python's class of this name, which ignores every pad token, a token that is part of the
 * text keeps its label also where the tokenizer pads with its end-of-sequence token: the model
 * still learns to stop.
 *
 * @param padTokenId the id at padded positions; never seen by the model, but it must be in the
 *     vocabulary
 * @param padToMultipleOf rounds the length of a batch up to a multiple of this; 1 for none
 * @param paddingSide where the padding is; training usually pads on the right
 */
public record DataCollatorForLanguageModeling(
    long padTokenId, int padToMultipleOf, Side paddingSide) implements DataCollator {
  /** Checks the multiple. */
  public DataCollatorForLanguageModeling {
    if (padToMultipleOf < 1) {
      throw new IllegalArgumentException(
          "padToMultipleOf must be at least 1, got " + padToMultipleOf + ".");
    }
  }

  /** Pads on the right with the tokenizer's pad token, or its end-of-sequence token, or 0. */
  public static DataCollatorForLanguageModeling of(Tokenizer tokenizer) {
    return of(tokenizer, 1);
  }

  /** The same, with lengths that are multiples of a number. */
  public static DataCollatorForLanguageModeling of(Tokenizer tokenizer, int padToMultipleOf) {
    long pad = tokenizer.padTokenId().orElseGet(() -> tokenizer.eosTokenId().orElse(0));
    return new DataCollatorForLanguageModeling(pad, padToMultipleOf, Side.RIGHT);
  }

  @Override
  public TokenBatch collate(List<Example> examples) {
    int longest = examples.stream().mapToInt(Example::length).max().orElse(0);
    int width = (longest + padToMultipleOf - 1) / padToMultipleOf * padToMultipleOf;
    long[][] ids = new long[examples.size()][width];
    long[][] mask = new long[examples.size()][width];
    long[][] labels = new long[examples.size()][width];
    for (int row = 0; row < ids.length; row++) {
      Example example = examples.get(row);
      int start = paddingSide == Side.LEFT ? width - example.length() : 0;
      Arrays.fill(ids[row], padTokenId);
      Arrays.fill(labels[row], Example.IGNORED);
      System.arraycopy(example.inputIds(), 0, ids[row], start, example.length());
      System.arraycopy(example.labels(), 0, labels[row], start, example.length());
      Arrays.fill(mask[row], start, start + example.length(), 1);
    }
    return Example.withTaskIds(new TokenBatch(ids, mask, Optional.of(labels)), examples);
  }
}
