package org.peftjava.torch;

import java.util.Arrays;
import java.util.List;

/**
 * Cross entropy of next-token predictions: {@code -log softmax(logits)[label]}, summed over the
 * labels that count.
 *
 * <p>Letters: {@code n} positions, {@code d} hidden size, {@code v} vocabulary. Labels of {@link
 * #IGNORED} do not count. Computed in float32 whatever the type of the logits, as transformers'
 * {@code ForCausalLMLoss} does.
 */
public final class CrossEntropy {
  /** The label that takes no part in the loss. */
  public static final long IGNORED = -100;

  private static final long CHUNK_ROWS = 128;

  private CrossEntropy() {}

  /** Number of labels that count. */
  public static long countLabels(Tensor labels) {
    try (TensorScope scope = TensorScope.open("count labels")) {
      return labels.ne(IGNORED).sum().toLong();
    }
  }

  /**
   * The loss of given logits.
   *
   * @param logits (n, v)
   * @param labels (n), int64
   * @param divisor of the sum: the number of counting labels for the mean
   * @return a float32 scalar
   */
  public static Tensor ofLogits(Tensor logits, Tensor labels, double divisor) {
    checkLabels(labels, logits.size(-1));
    Tensor log = Ops.logSoftmax(logits, -1, DType.FLOAT32);
    Tensor counts = labels.ne(IGNORED);
    Tensor safe = labels.maskedFill(counts.not(), 0).unsqueeze(-1);
    Tensor picked = log.gather(-1, safe).squeeze(-1).maskedFill(counts.not(), 0);
    return picked.sum().mul(-1 / divisor);
  }

  /**
   * The loss of a linear head, without ever holding all logits: some rows at a time are multiplied,
   * turned into their gradient in place, and multiplied back. The forward pass so computes the
   * gradient with respect to {@code hidden}; the backward pass only scales it.
   *
   * @param hidden (n, d)
   * @param weight of the head (v, d), frozen
   * @param labels (n), int64
   * @param divisor of the sum: the number of counting labels for the mean
   * @return a float32 scalar
   */
  public static Tensor ofLinear(Tensor hidden, Tensor weight, Tensor labels, double divisor) {
    if (weight.requiresGrad()) {
      return ofLogits(MatrixOps.linear(hidden, weight, null), labels, divisor);
    }
    checkLabels(labels, weight.size(0));
    boolean wantsGradient = GradMode.isEnabled() && hidden.requiresGrad();
    Tensor loss;
    Tensor gradient;
    try (TensorScope scope = TensorScope.open("chunked cross entropy");
        GradMode off = GradMode.noGrad()) {
      loss = scope.keep(Creation.zeros(DType.FLOAT32));
      gradient =
          scope.keep(
              wantsGradient
                  ? Creation.empty(hidden.dtype(), Device.CPU, hidden.shape().toArray())
                  : Creation.zeros(DType.FLOAT32));
      for (long start = 0; start < hidden.size(0); start += CHUNK_ROWS) {
        long rows = Math.min(CHUNK_ROWS, hidden.size(0) - start);
        try (TensorScope chunk = TensorScope.open("rows")) {
          Tensor h = hidden.detach().narrow(0, start, rows);
          Tensor label = labels.narrow(0, start, rows);
          Tensor logits = MatrixOps.linear(h, weight.detach(), null);
          Tensor log = Ops.logSoftmax(logits, -1, DType.FLOAT32);
          Tensor counts = label.ne(IGNORED);
          Tensor safe = label.maskedFill(counts.not(), 0).unsqueeze(-1);
          Tensor picked = log.gather(-1, safe).squeeze(-1).maskedFill(counts.not(), 0);
          loss.addInPlace(picked.sum(), -1 / divisor);
          if (wantsGradient) {
            Tensor g = log.exp();
            g = Ops.scatter(g, -1, safe, g.gather(-1, safe).add(-1));
            g.mulInPlace(counts.to(DType.FLOAT32).unsqueeze(-1)).mulInPlace(1 / divisor);
            gradient
                .narrow(0, start, rows)
                .copyInPlace(g.to(weight.dtype()).matmul(weight.detach()));
          }
        }
      }
    }
    return CustomGradient.of(
        loss,
        List.of(hidden),
        List.of(gradient),
        (upstream, saved) -> Arrays.asList(saved.get(0).mul(upstream.to(saved.get(0).dtype()))));
  }

  private static void checkLabels(Tensor labels, long vocabulary) {
    try (TensorScope scope = TensorScope.open("check labels")) {
      if (labels.numel() == 0) {
        return;
      }
      Tensor counting = labels.maskedFill(labels.eq(IGNORED), 0);
      long lowest = counting.min().toLong();
      long highest = counting.max().toLong();
      if (lowest < 0 || highest >= vocabulary) {
        throw new IllegalArgumentException(
            "Label "
                + (lowest < 0 ? lowest : highest)
                + " is outside the vocabulary: expected 0 to "
                + (vocabulary - 1)
                + ", or "
                + IGNORED
                + " for positions that do not count.");
      }
    }
  }
}
