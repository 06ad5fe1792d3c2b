package org.peftjava.torch;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.peftjava.torch.cuda.KernelLauncher;
import org.peftjava.torch.cuda.LaunchGrid;
import org.peftjava.torch.kernels.CrossEntropyKernel;

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

  /** Positions whose logits exist at one time. */
  private static final long CHUNK_ROWS = 256;

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
    return ofLogits(logits, labels, divisor, 0);
  }

  /**
   * The same with smoothed labels: each is a share of {@code 1 - smoothing} of its class, and the
   * rest is shared out among all classes.
   */
  public static Tensor ofLogits(Tensor logits, Tensor labels, double divisor, double smoothing) {
    checkLabels(labels, logits.size(0), logits.size(-1));
    Tensor log = Ops.logSoftmax(logits, -1, DType.FLOAT32);
    Tensor ignored = labels.eq(IGNORED);
    return picked(log, labels.maskedFill(ignored, 0), smoothing)
        .maskedFill(ignored, 0)
        .sum()
        .mul(-1 / divisor);
  }

  /** What the labels (n) expect of logarithms of shares (n, v). */
  private static Tensor picked(Tensor log, Tensor labels, double smoothing) {
    Tensor own = log.gather(-1, labels.unsqueeze(-1)).squeeze(-1);
    return smoothing == 0
        ? own
        : own.mul(1 - smoothing).add(log.sum(-1L), smoothing / log.size(-1));
  }

  /**
   * The loss of a linear head, without ever holding all logits: some rows at a time are multiplied,
   * turned into their gradient in place, and multiplied back. So the forward pass computes the
   * gradient with respect to {@code hidden}, and the backward pass only scales it.
   *
   * @param hidden (n, d)
   * @param weight of the head (v, d); if it is trained, the logits are held after all
   * @param labels (n), int64
   * @param divisor of the sum: the number of counting labels for the mean
   * @return a float32 scalar
   */
  public static Tensor ofLinear(Tensor hidden, Tensor weight, Tensor labels, double divisor) {
    return ofLinear(hidden, weight, labels, divisor, 0);
  }

  /** The same with smoothed labels, as in {@link #ofLogits(Tensor, Tensor, double, double)}. */
  public static Tensor ofLinear(
      Tensor hidden, Tensor weight, Tensor labels, double divisor, double smoothing) {
    if (hidden.rank() != 2 || weight.rank() != 2 || hidden.size(1) != weight.size(1)) {
      throw new TorchException.ShapeMismatch(
          "A head of weight "
              + weight.shape()
              + " cannot take hidden states "
              + hidden.shape()
              + ": expected hidden (n, d) and weight (v, d).");
    }
    if (weight.requiresGrad() && GradMode.isEnabled()) {
      return ofLogits(MatrixOps.linear(hidden, weight, null), labels, divisor, smoothing);
    }
    checkLabels(labels, hidden.size(0), weight.size(0));
    boolean wantsGradient = GradMode.isEnabled() && hidden.requiresGrad();
    Tensor loss;
    Tensor gradient;
    try (TensorScope scope = TensorScope.open("chunked cross entropy");
        GradMode off = GradMode.noGrad()) {
      loss = scope.keep(Creation.zeros(DType.FLOAT32, hidden.device()));
      long[] sizes = wantsGradient ? hidden.shape().toArray() : new long[] {0};
      gradient = scope.keep(Creation.empty(hidden.dtype(), hidden.device(), sizes));
      for (long start = 0; start < hidden.size(0); start += CHUNK_ROWS) {
        try (TensorScope chunk = TensorScope.open("rows")) {
          long rows = Math.min(CHUNK_ROWS, hidden.size(0) - start);
          Tensor h = hidden.detach().narrow(0, start, rows);
          Tensor logits = logits(h, weight.detach());
          Tensor label = labels.narrow(0, start, rows);
          if (wantsGradient) {
            addLossAndDifferentiate(logits, label, loss, 1 / divisor, smoothing);
            gradient.narrow(0, start, rows).copyInPlace(timesWeight(logits, weight.detach()));
          } else {
            loss.addInPlace(ofLogits(logits, label, divisor, smoothing));
          }
        }
      }
    }
    return CustomGradient.of(
        loss,
        List.of(hidden),
        List.of(gradient),
        (upstream, saved) -> Arrays.asList(saved.get(0).mulInPlace(upstream)));
  }

  /** {@code h W^T} in memory that is reused, where that is possible. */
  private static Tensor logits(Tensor h, Tensor weight) {
    boolean widened = h.dtype() != DType.FLOAT32 && MatrixOps.widens(weight);
    if (!h.isOnCpu() || !(h.dtype() == DType.FLOAT32 || widened)) {
      return MatrixOps.linear(h, weight, null);
    }
    long numel = h.size(0) * weight.size(0);
    Tensor buffer =
        Scratch.floats(Scratch.Purpose.LOGITS, numel).reshape(h.size(0), weight.size(0));
    if (widened) {
      MatrixOps.widenedProductInto(buffer, h.to(DType.FLOAT32), weight, true);
    } else if (WideProduct.covers(h, weight, null, true)) {
      WideProduct.into(buffer, h.contiguous(), weight, null, true);
    } else {
      MatrixOps.addmmInto(buffer, h, weight.t(), 0, 1);
    }
    return buffer;
  }

  /** {@code g W}. */
  private static Tensor timesWeight(Tensor g, Tensor weight) {
    if (g.dtype() == DType.FLOAT32 && MatrixOps.widens(weight)) {
      Tensor result = Creation.empty(DType.FLOAT32, Device.CPU, g.size(0), weight.size(1));
      MatrixOps.widenedProductInto(result, g, weight, false);
      return result;
    }
    return WideProduct.covers(g, weight, null, false)
        ? WideProduct.product(g, weight, null, false)
        : g.matmul(weight);
  }

  /**
   * Adds {@code scale} times the rows' loss to {@code loss} and overwrites the logits with its
   * gradient.
   */
  private static void addLossAndDifferentiate(
      Tensor logits, Tensor labels, Tensor loss, double scale, double smoothing) {
    Optional<KernelLauncher> kernels =
        CardTensors.suffix(logits.dtype()).flatMap(type -> CardPath.gapless(logits, labels));
    if (smoothing == 0 && kernels.isPresent()) {
      Tensor each = Creation.empty(DType.FLOAT32, logits.device(), logits.size(0));
      kernels
          .get()
          .launch(
              "crossEntropy" + CardTensors.suffix(logits.dtype()).orElseThrow(),
              new LaunchGrid(Math.toIntExact(logits.size(0)), 512),
              logits.address(),
              labels.address(),
              each.address(),
              logits.size(1),
              KernelLauncher.argument(scale));
      loss.addInPlace(each.sum(), scale);
      return;
    }
    if (smoothing == 0 && FastPath.covers(logits) && labels.isContiguous()) {
      double sum =
          CrossEntropyKernel.lossSumAndGradient(
              FastPath.type(logits),
              logits.address(),
              logits.size(1),
              labels.address(),
              0,
              logits.size(0),
              logits.size(1),
              scale,
              FastPath.threads());
      loss.addInPlace(sum * scale);
      return;
    }
    Tensor log = Ops.logSoftmax(logits, -1, DType.FLOAT32);
    Tensor ignored = labels.eq(IGNORED);
    Tensor safe = labels.maskedFill(ignored, 0);
    loss.addInPlace(picked(log, safe, smoothing).maskedFill(ignored, 0).sum(), -scale);
    Tensor index = safe.unsqueeze(-1);
    Tensor softmax = log.exp();
    Tensor gradient = Ops.scatter(softmax, -1, index, softmax.gather(-1, index).add(smoothing - 1));
    if (smoothing != 0) {
      gradient = gradient.add(-smoothing / log.size(-1));
    }
    logits.copyInPlace(gradient.maskedFill(ignored.unsqueeze(-1), 0).mulInPlace(scale));
  }

  private static void checkLabels(Tensor labels, long rows, long vocabulary) {
    if (labels.dtype() != DType.INT64 || labels.rank() != 1 || labels.numel() != rows) {
      throw new IllegalArgumentException(
          "Labels are "
              + labels.dtype()
              + " "
              + labels.shape()
              + ": expected int64 ["
              + rows
              + "], one per position.");
    }
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
