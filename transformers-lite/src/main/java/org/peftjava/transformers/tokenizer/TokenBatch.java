package org.peftjava.transformers.tokenizer;

import java.util.Arrays;
import java.util.Optional;

/**
 * A padded batch of token ids in host memory; {@code b} rows of {@code t} tokens.
 *
 * @param inputIds token ids (b, t); not copied, so do not change them
 * @param attentionMask 1 for tokens, 0 for padding (b, t)
 * @param labels token ids to predict, -100 where none (b, t); position i is compared with the
 *     prediction of position i - 1
 */
public record TokenBatch(long[][] inputIds, long[][] attentionMask, Optional<long[][]> labels) {
  /** Checks that all rows have one length. */
  public TokenBatch {
    check("inputIds", inputIds, inputIds);
    check("attentionMask", attentionMask, inputIds);
    labels.ifPresent(rows -> check("labels", rows, inputIds));
  }

  /** A batch without labels. */
  public static TokenBatch of(long[][] inputIds, long[][] attentionMask) {
    return new TokenBatch(inputIds, attentionMask, Optional.empty());
  }

  /** A batch of rows of one length, without padding and labels. */
  public static TokenBatch of(long[][] inputIds) {
    long[][] mask = new long[inputIds.length][];
    for (int i = 0; i < mask.length; i++) {
      mask[i] = new long[inputIds[i].length];
      Arrays.fill(mask[i], 1);
    }
    return of(inputIds, mask);
  }

  /** The same batch with these labels. */
  public TokenBatch withLabels(long[][] newLabels) {
    return new TokenBatch(inputIds, attentionMask, Optional.of(newLabels));
  }

  /** Number of rows. */
  public int size() {
    return inputIds.length;
  }

  /** Number of tokens in a row, padding included. */
  public int length() {
    return inputIds.length == 0 ? 0 : inputIds[0].length;
  }

  private static void check(String name, long[][] rows, long[][] like) {
    if (rows.length != like.length) {
      throw new IllegalArgumentException(
          name + " has " + rows.length + " rows, inputIds has " + like.length + ".");
    }
    for (int i = 0; i < rows.length; i++) {
      if (rows[i].length != like[0].length) {
        throw new IllegalArgumentException(
            name
                + " has "
                + rows[i].length
                + " tokens in row "
                + i
                + ", expected "
                + like[0].length
                + " as in row 0 of inputIds. Pad the rows to one length.");
      }
    }
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof TokenBatch batch
        && Arrays.deepEquals(inputIds, batch.inputIds)
        && Arrays.deepEquals(attentionMask, batch.attentionMask)
        && Arrays.deepEquals(labels.orElse(null), batch.labels.orElse(null));
  }

  @Override
  public int hashCode() {
    return Arrays.deepHashCode(inputIds);
  }

  @Override
  public String toString() {
    return "TokenBatch" + Arrays.deepToString(inputIds);
  }
}
