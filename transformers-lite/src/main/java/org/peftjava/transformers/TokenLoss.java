package org.peftjava.transformers;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.peftjava.torch.Creation;
import org.peftjava.torch.CrossEntropy;
import org.peftjava.torch.Tensor;

/**
 * The cross entropy of judging each token, over the labels that count: those other than -100.
 *
 * <p>Reference: transformers' {@code ForTokenClassification} and {@code ForMaskedLMLoss}. The sum
 * is divided by the number of labels that count, or by a given divisor; over no label at all the
 * mean is NaN, as there. Letters: {@code b} batch, {@code t} tokens, {@code n} labels.
 */
final class TokenLoss {
  private final long[] labels;
  private final int[] counting;
  private final double divisor;
  private final double smoothing;

  private TokenLoss(long[] labels, ModelInput input) {
    this.labels = labels;
    counting =
        IntStream.range(0, labels.length).filter(i -> labels[i] != CrossEntropy.IGNORED).toArray();
    divisor = input.lossDivisor().orElse(counting.length);
    smoothing = input.labelSmoothing();
  }

  /**
   * The loss over labels of any shape, whose values are read to the host once.
   *
   * @param count number of labels n
   */
  static TokenLoss of(Tensor labels, long count, ModelInput input) {
    long[] values = labels.toLongs();
    LabelCheck.range(values, count);
    return new TokenLoss(values, input);
  }

  /** The loss of logits (..., n), one row for each label. */
  Tensor ofLogits(Tensor logits) {
    Tensor rows = logits.reshape(labels.length, logits.size(-1));
    return CrossEntropy.ofLogits(rows, tensor(labels, logits), divisor, smoothing);
  }

  /** Those of the hidden states (b, t, e) whose labels count, as a matrix; all if none counts. */
  Tensor counting(Tensor hidden) {
    Tensor rows = hidden.reshape(labels.length, hidden.size(-1));
    return counting.length == 0 || counting.length == labels.length
        ? rows
        : rows.indexSelect(0, tensor(Arrays.stream(counting).mapToLong(i -> i).toArray(), hidden));
  }

  /** The loss of logits of {@link #counting} alone. */
  Tensor ofCountingLogits(Tensor logits) {
    if (counting.length == 0) {
      return ofLogits(logits);
    }
    long[] kept = Arrays.stream(counting).mapToLong(i -> labels[i]).toArray();
    return CrossEntropy.ofLogits(logits, tensor(kept, logits), divisor, smoothing);
  }

  private static Tensor tensor(long[] values, Tensor like) {
    return Creation.ofLongs(values, values.length).to(like.device());
  }
}
