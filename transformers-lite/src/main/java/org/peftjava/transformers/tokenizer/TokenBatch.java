package org.peftjava.transformers.tokenizer;

import java.util.Arrays;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * A padded batch of token ids in host memory; {@code b} rows of {@code t} tokens.
 *
 * @param inputIds token ids (b, t); not copied, so do not change them
 * @param attentionMask 1 for tokens, 0 for padding (b, t)
 * @param labels what the model learns, -100 where nothing: for each token (b, t), where a language
 *     model compares position i with its prediction from the tokens before; for each text (b, 1);
 *     or another text that an encoder-decoder learns to write (b, s)
 * @param tokenTypeIds the segment of each token (b, t), for models that know segments
 * @param floatLabels the numbers that a model learns to give each text (b, n), in place of labels
 * @param answerSpans the positions of the first and last token of each text's answer (b, 2), in
 *     place of labels
 * @param taskIds the task of each row (b), for adapters that know tasks
 */
public record TokenBatch(
    long[][] inputIds,
    long[][] attentionMask,
    Optional<long[][]> labels,
    Optional<long[][]> tokenTypeIds,
    Optional<float[][]> floatLabels,
    Optional<long[][]> answerSpans,
    Optional<long[]> taskIds) {
  /** Checks that all rows have one length. */
  public TokenBatch {
    check("inputIds", inputIds, inputIds);
    check("attentionMask", attentionMask, inputIds);
    tokenTypeIds.ifPresent(rows -> check("tokenTypeIds", rows, inputIds));
    labels.ifPresent(rows -> checkLabels(rows, inputIds.length));
    if (Stream.of(labels, floatLabels, answerSpans).filter(Optional::isPresent).count() > 1) {
      throw new IllegalArgumentException(
          "More than one of labels, floatLabels and answerSpans is given. Pass one.");
    }
    floatLabels.ifPresent(rows -> checkRows("floatLabels", rows.length, inputIds.length));
    answerSpans.ifPresent(rows -> checkSpans(rows, inputIds.length));
    taskIds.ifPresent(ids -> checkRows("taskIds", ids.length, inputIds.length));
  }

  /** A batch without token types. */
  public TokenBatch(long[][] inputIds, long[][] attentionMask, Optional<long[][]> labels) {
    this(
        inputIds,
        attentionMask,
        labels,
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty());
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

  /** The same batch without labels: what {@code generate} is given. */
  public TokenBatch withoutLabels() {
    return new TokenBatch(
        inputIds,
        attentionMask,
        Optional.empty(),
        tokenTypeIds,
        Optional.empty(),
        Optional.empty(),
        taskIds);
  }

  /** The same batch with these labels. */
  public TokenBatch withLabels(long[][] newLabels) {
    return new TokenBatch(
        inputIds,
        attentionMask,
        Optional.of(newLabels),
        tokenTypeIds,
        Optional.empty(),
        Optional.empty(),
        taskIds);
  }

  /** The same batch with the task of each row. */
  public TokenBatch withTaskIds(long... ids) {
    return new TokenBatch(
        inputIds,
        attentionMask,
        labels,
        tokenTypeIds,
        floatLabels,
        answerSpans,
        Optional.of(ids.clone()));
  }

  /** Number of rows. */
  public int size() {
    return inputIds.length;
  }

  /** Number of tokens in a row, padding included. */
  public int length() {
    return inputIds.length == 0 ? 0 : inputIds[0].length;
  }

  /** Number of tokens of the longest row, padding not counted. */
  public int longest() {
    return Math.toIntExact(
        Arrays.stream(attentionMask).mapToLong(row -> Arrays.stream(row).sum()).max().orElse(0));
  }

  private static void checkLabels(long[][] labels, int rows) {
    checkRows("labels", labels.length, rows);
    for (int i = 0; i < rows; i++) {
      if (labels[i].length != labels[0].length) {
        throw new IllegalArgumentException(
            "labels has "
                + labels[i].length
                + " values in row "
                + i
                + ", expected "
                + labels[0].length
                + " as in row 0. Pad the rows to one length with -100.");
      }
    }
  }

  private static void checkSpans(long[][] spans, int rows) {
    checkRows("answerSpans", spans.length, rows);
    for (long[] span : spans) {
      if (span.length != 2) {
        throw new IllegalArgumentException(
            "answerSpans has a row of "
                + span.length
                + " values, expected 2: the positions of the first and last token of an answer.");
      }
    }
  }

  private static void checkRows(String name, int rows, int expected) {
    if (rows != expected) {
      throw new IllegalArgumentException(
          name + " has " + rows + " rows, inputIds has " + expected + ".");
    }
  }

  private static void check(String name, long[][] rows, long[][] like) {
    checkRows(name, rows.length, like.length);
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
        && Arrays.deepEquals(labels.orElse(null), batch.labels.orElse(null))
        && Arrays.deepEquals(tokenTypeIds.orElse(null), batch.tokenTypeIds.orElse(null))
        && Arrays.deepEquals(floatLabels.orElse(null), batch.floatLabels.orElse(null))
        && Arrays.deepEquals(answerSpans.orElse(null), batch.answerSpans.orElse(null))
        && Arrays.equals(taskIds.orElse(null), batch.taskIds.orElse(null));
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
