package org.peftjava.transformers.training;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * The batches of one optimizer step and what they hold together. Java arrays only.
 *
 * @param batches one for each forward and backward pass
 * @param samples examples in all of them
 * @param tokens tokens in all of them, without padding
 * @param targets labels that count in the loss: transformers' {@code num_items_in_batch}
 */
record MicroBatches(List<TokenBatch> batches, int samples, long tokens, long targets) {
  static MicroBatches collate(
      Dataset dataset, List<int[]> indices, DataCollator collator, boolean shifted) {
    List<TokenBatch> batches = new ArrayList<>();
    int samples = 0;
    long tokens = 0;
    long targets = 0;
    for (int[] rows : indices) {
      TokenBatch batch = collator.collate(Arrays.stream(rows).mapToObj(dataset::get).toList());
      batches.add(batch);
      samples += rows.length;
      tokens += Arrays.stream(batch.attentionMask()).flatMapToLong(Arrays::stream).sum();
      targets += targets(batch, shifted);
    }
    return new MicroBatches(batches, samples, tokens, targets);
  }

  /**
   * Labels of a batch that count.
   *
   * @param shifted whether those of the first position are never predicted
   */
  static long targets(TokenBatch batch, boolean shifted) {
    if (batch.answerSpans().isPresent()) {
      return Arrays.stream(batch.answerSpans().get())
          .filter(span -> span[0] < batch.length() || span[1] < batch.length())
          .count();
    }
    if (batch.floatLabels().isPresent()) {
      return batch.size();
    }
    long[][] labels =
        batch
            .labels()
            .orElseThrow(
                () ->
                    new IllegalArgumentException(
                        "The data collator returned a batch without labels. Training needs one"
                            + " label for each token, "
                            + Example.IGNORED
                            + " where none counts."));
    return Arrays.stream(labels)
        .mapToLong(
            row ->
                Arrays.stream(row)
                    .skip(shifted ? 1 : 0)
                    .filter(label -> label != Example.IGNORED)
                    .count())
        .sum();
  }
}
