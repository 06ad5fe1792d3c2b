package org.peftjava.transformers;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.peftjava.torch.Creation;
import org.peftjava.torch.CrossEntropy;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;

/**
 * The cross entropy of predicting tokens, over the labels that count.
 *
 * <p>Reference: transformers' {@code ForCausalLMLoss}: hidden state i is held against label i + 1,
 * or label i where a decoder was given the labels shifted; labels of -100 do not count, the sum of
 * the token losses is divided by their number or by a given divisor. As there, the mean over no
 * label at all is NaN. With smoothing, {@code LabelSmoother}'s.
 */
public final class NextTokenLoss {
  /** Leaving out fewer rows than one in this many costs more than it saves. */
  private static final int WORTH_DROPPING = 16;

  private final long[] shifted;
  private final long batch;
  private final long tokens;
  private final long width;
  private final int[] counting;
  private final double divisor;
  private final double smoothing;

  private NextTokenLoss(long[] shifted, long batch, long tokens, long width, ModelInput input) {
    this.shifted = shifted;
    this.batch = batch;
    this.tokens = tokens;
    this.width = width;
    counting =
        IntStream.range(0, shifted.length)
            .filter(i -> shifted[i] != CrossEntropy.IGNORED)
            .toArray();
    divisor = input.lossDivisor().orElse(counting.length);
    smoothing = input.labelSmoothing();
  }

  /**
   * The loss of a model's hidden states (b, t, d) with its head, a scalar of the current scope.
   *
   * @param labels (b, t), unshifted
   * @param input with the divisor of the sum and the like
   */
  public static Tensor loss(Tensor labels, ModelInput input, Tensor hidden, LinearLayer head) {
    return of(labels, input).ofHidden(hidden, head);
  }

  /** The loss over labels (b, t), whose values are read to the host once. */
  static NextTokenLoss of(Tensor labels, ModelInput input) {
    int batch = (int) labels.size(0);
    int tokens = (int) labels.size(1);
    long[] all = labels.toLongs();
    int width = tokens - 1;
    long[] shifted = new long[batch * width];
    for (int row = 0; row < batch; row++) {
      System.arraycopy(all, row * tokens + 1, shifted, row * width, width);
    }
    return new NextTokenLoss(shifted, batch, tokens, width, input);
  }

  /** The loss over labels (b, t) that the decoder's input was made of, by shifting. */
  static NextTokenLoss ofShiftedInput(Tensor labels, ModelInput input) {
    long tokens = labels.size(1);
    return new NextTokenLoss(labels.toLongs(), labels.size(0), tokens, tokens, input);
  }

  /** Given the logits (b, t, v). */
  Tensor ofLogits(Tensor logits) {
    if (counting.length == 0) {
      return nothing(logits);
    }
    Rows rows = rows(logits);
    return CrossEntropy.ofLogits(rows.x, rows.labels, divisor, smoothing);
  }

  /** Given the hidden states (b, t, d) and the head; holds no more logits than needed. */
  Tensor ofHidden(Tensor hidden, LinearLayer head) {
    if (counting.length == 0) {
      return nothing(hidden);
    }
    Rows rows = rows(hidden);
    if (head instanceof Linear linear
        && linear.bias().isEmpty()
        && !(GradMode.isEnabled() && linear.weight().requiresGrad())) {
      Tensor weight = linear.weight().tensor().detach();
      return CrossEntropy.ofLinear(rows.x, weight, rows.labels, divisor, smoothing);
    }
    return CrossEntropy.ofLogits(head.forward(rows.x), rows.labels, divisor, smoothing);
  }

  /** The positions that predict something, as a matrix, and their labels. */
  private Rows rows(Tensor x) {
    if (shifted.length - counting.length < Math.max(1, shifted.length / WORTH_DROPPING)) {
      Tensor first = x.narrow(1, 0, width).reshape(batch * width, x.size(2));
      return new Rows(first, labels(shifted, x));
    }
    long[] index = Arrays.stream(counting).mapToLong(i -> i / width * tokens + i % width).toArray();
    long[] kept = Arrays.stream(counting).mapToLong(i -> shifted[i]).toArray();
    Tensor flat = x.reshape(batch * tokens, x.size(2));
    return new Rows(flat.indexSelect(0, labels(index, x)), labels(kept, x));
  }

  private static Tensor labels(long[] values, Tensor like) {
    return Creation.ofLongs(values, values.length).to(like.device());
  }

  /** Zero, or NaN as the mean over nothing; part of the graph, so that backward works. */
  private Tensor nothing(Tensor x) {
    return x.narrow(1, 0, 1).sum().to(DType.FLOAT32).mul(0).div(divisor);
  }

  private record Rows(Tensor x, Tensor labels) {}
}
