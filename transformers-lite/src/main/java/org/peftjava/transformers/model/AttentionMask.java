package org.peftjava.transformers.model;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/**
 * Which tokens each token may attend to, in the form that attention kernels take fastest: nothing,
 * a flag, or numbers added to the scores.
 *
 * <p>Built once per forward pass and used by every layer. Same meaning as transformers' {@code
 * create_causal_mask}: a token sees itself and the unpadded tokens before it.
 *
 * @param addend (b or 1, h or 1, t or 1, s) in the scores' type, 0 or negative infinity or a bias;
 *     null where the flag says all
 * @param causal whether token i sees tokens up to i only, by the kernel's own means
 */
public record AttentionMask(@Nullable Tensor addend, boolean causal) {
  /** Every token is seen. */
  static final AttentionMask ALL = new AttentionMask(null, false);

  private static final AttentionMask CAUSAL = new AttentionMask(null, true);

  /**
   * The mask of a decoder whose tokens see the last {@code window} tokens, themselves included, as
   * {@code create_sliding_window_causal_mask}. For one token it is the causal mask: the caller
   * leaves the older keys away (see {@link #ofLast}), which is less work than to hide them.
   */
  public static AttentionMask sliding(
      AttentionMask causal,
      long window,
      @Nullable Tensor padding,
      long tokens,
      long past,
      DType dtype,
      Device device) {
    long total = past + tokens;
    if (tokens == 1 || total <= window) {
      return causal;
    }
    try (TensorScope scope = TensorScope.open("sliding mask")) {
      Tensor rows = Creation.arange(past, total, device).reshape(1, 1, tokens, 1);
      Tensor columns = Creation.arange(0, total, device).reshape(1, 1, 1, total);
      Tensor hidden = rows.lt(columns).or(columns.lt(rows.add(1.0 - window)));
      if (padding != null) {
        hidden = hidden.or(padding.eq(0).reshape(padding.size(0), 1, 1, total));
      }
      return new AttentionMask(scope.keep(infiniteWhere(hidden, dtype, device)), false);
    }
  }

  /** The same with a bias (b or 1, h or 1, t or 1, s) that is added to the scores. */
  public AttentionMask biased(Tensor bias) {
    if (addend != null) {
      return new AttentionMask(bias.add(addend), false);
    }
    if (!causal) {
      return new AttentionMask(bias, false);
    }
    try (TensorScope scope = TensorScope.open("biased mask")) {
      long tokens = bias.size(-1);
      Tensor rows = Creation.arange(0, tokens, bias.device()).reshape(1, 1, tokens, 1);
      Tensor columns = Creation.arange(0, tokens, bias.device()).reshape(1, 1, 1, tokens);
      Tensor later = infiniteWhere(rows.lt(columns), bias.dtype(), bias.device());
      return new AttentionMask(scope.keep(bias.add(later)), false);
    }
  }

  /** The same for the last {@code keys} tokens alone: a view. */
  public AttentionMask ofLast(long keys) {
    if (addend == null) {
      return this;
    }
    return new AttentionMask(addend.narrow(-1, addend.size(-1) - keys, keys), causal);
  }

  private static Tensor infiniteWhere(Tensor hidden, DType dtype, Device device) {
    Tensor zeros = Creation.zeros(dtype, device, hidden.shape().toArray());
    return zeros.maskedFill(hidden, Double.NEGATIVE_INFINITY);
  }

  /**
   * The mask of a decoder.
   *
   * @param padding (b, s), 1 for tokens and 0 for padding; null for no padding
   * @param tokens t, the number of tokens now
   * @param past the number of tokens in the cache, s - t
   * @param dtype of the attention scores
   */
  public static AttentionMask causal(
      @Nullable Tensor padding, long tokens, long past, DType dtype, Device device) {
    if (padding == null || !hasZero(padding)) {
      if (tokens == 1) {
        return ALL; // the newest token sees every other
      }
      if (past == 0) {
        return CAUSAL;
      }
    }
    try (TensorScope scope = TensorScope.open("attention mask")) {
      Tensor allowed = null;
      if (tokens > 1) {
        Tensor rows = Creation.arange(past, past + tokens, device).reshape(1, 1, tokens, 1);
        Tensor columns = Creation.arange(0, past + tokens, device).reshape(1, 1, 1, past + tokens);
        allowed = rows.lt(columns).not();
      }
      if (padding != null) {
        Tensor real = padding.ne(0).reshape(padding.size(0), 1, 1, past + tokens);
        allowed = allowed == null ? real : allowed.and(real);
      }
      if (allowed == null) {
        return ALL;
      }
      Tensor addend = infiniteWhere(allowed.not(), dtype, device);
      return new AttentionMask(scope.keep(addend), false);
    }
  }

  /**
   * The mask of an encoder: every token sees every unpadded one.
   *
   * @param padding (b, s), 1 for tokens and 0 for padding; null for no padding
   * @param dtype of the attention scores
   */
  public static AttentionMask bidirectional(@Nullable Tensor padding, DType dtype, Device device) {
    if (padding == null || !hasZero(padding)) {
      return ALL;
    }
    try (TensorScope scope = TensorScope.open("attention mask")) {
      Tensor padded = padding.eq(0).reshape(padding.size(0), 1, 1, padding.size(1));
      Tensor zeros = Creation.zeros(dtype, device, padded.shape().toArray());
      Tensor addend = zeros.maskedFill(padded, Double.NEGATIVE_INFINITY);
      return new AttentionMask(scope.keep(addend), false);
    }
  }

  /** The numbers added to the scores, if there are any. */
  public List<Tensor> tensors() {
    return addend == null ? List.of() : List.of(addend);
  }

  /** The same mask with these {@link #tensors}. */
  public AttentionMask with(List<Tensor> tensors) {
    return tensors.isEmpty() ? this : new AttentionMask(tensors.get(0), causal);
  }

  private static boolean hasZero(Tensor padding) {
    try (TensorScope scope = TensorScope.open("has padding")) {
      return padding.min().toLong() == 0;
    }
  }
}
