package org.peftjava.transformers.model;

import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.FusedAttention;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/**
 * The part of attention that has no weights: {@code softmax(scale q k^T + mask) v} over heads.
 *
 * <p>Letters: {@code b} batch, {@code t} tokens that ask, {@code s} tokens that are asked, {@code
 * h} heads, {@code d} size of a head, {@code e = h d}.
 */
public final class Attention {
  private Attention() {}

  /** (b, t, e) seen as (b, h, t, d), without copying. */
  public static Tensor split(Tensor x, long headSize) {
    long batch = x.size(0);
    long tokens = x.size(1);
    long heads = x.size(2) / headSize;
    return tokens == 1
        ? x.reshape(batch, heads, 1, headSize)
        : x.reshape(batch, tokens, heads, headSize).transpose(1, 2);
  }

  /** (b, h, t, d) as (b, t, e). */
  public static Tensor join(Tensor heads) {
    long width = heads.size(1) * heads.size(3);
    return heads.transpose(1, 2).reshape(heads.size(0), heads.size(2), width);
  }

  /**
   * Attends.
   *
   * @param query (b, h, t, d)
   * @param key (b, k, s, d), where h is a multiple of k: each serves h / k heads
   * @param value (b, k, s, d)
   * @param dropout probability with which an attention weight is dropped; 0 outside of training
   * @return (b, h, t, d)
   */
  public static Tensor of(
      Tensor query,
      Tensor key,
      Tensor value,
      AttentionMask mask,
      double dropout,
      double scale,
      @Nullable LayerTrace trace) {
    return of(query, key, value, mask, dropout, scale, 0, trace);
  }

  /**
   * The same with scores that cannot leave (-cap, cap): {@code cap tanh(scores / cap)}; 0 for
   * scores as they are. libtorch has no kernel for that: without ours it takes the way of the
   * formula.
   */
  public static Tensor of(
      Tensor query,
      Tensor key,
      Tensor value,
      AttentionMask mask,
      double dropout,
      double scale,
      double cap,
      @Nullable LayerTrace trace) {
    long groups = query.size(1) / key.size(1);
    boolean shown = trace != null && trace.keepsAttentions();
    if (!shown && FusedAttention.covers(query, key, value, mask.addend())) {
      return FusedAttention.of(
          query, key, value, mask.addend(), dropout, mask.causal(), scale, cap);
    }
    if (cap != 0 || shown) {
      Tensor keys = Ops.repeatHeads(key, groups);
      Tensor values = Ops.repeatHeads(value, groups);
      return explicit(query, keys, values, mask, dropout, scale, cap, trace);
    }
    if (groups > 1 && query.size(2) == 1 && dropout == 0) {
      return oneToken(query, key, value, mask, scale);
    }
    return Ops.scaledDotProductAttention(
        query, key, value, mask.addend(), dropout, mask.causal(), scale);
  }

  /** The heads that share a key ask as if they were tokens: nothing of the cache is copied. */
  private static Tensor oneToken(
      Tensor query, Tensor key, Tensor value, AttentionMask mask, double scale) {
    try (TensorScope scope = TensorScope.open("grouped attention")) {
      long batch = query.size(0);
      long heads = query.size(1);
      long size = query.size(3);
      long served = key.size(1);
      Tensor grouped = query.reshape(batch, served, heads / served, size);
      Tensor mixed =
          Ops.scaledDotProductAttention(grouped, key, value, mask.addend(), 0, false, scale);
      return scope.keep(mixed.reshape(batch, heads, 1, size));
    }
  }

  /**
   * {@code gate softmax(q k^T / sqrt(d)) v} without a mask, for keys that all rows of the batch
   * share.
   *
   * @param query (b, h, t, d)
   * @param key (1, k, n, d), where h is a multiple of k
   * @param value (1, k, n, d)
   * @param gate (1)
   * @return (b, t, e)
   */
  public static Tensor gated(Tensor query, Tensor key, Tensor value, Tensor gate) {
    try (TensorScope scope = TensorScope.open("gated attention")) {
      long groups = query.size(1) / key.size(1);
      double root = Math.sqrt((double) query.size(3));
      Tensor keys = Ops.repeatHeads(key, groups).to(query.dtype());
      Tensor scores = query.matmul(keys.transpose(2, 3)).div(root);
      Tensor weights = Ops.softmax(scores.to(DType.FLOAT32), -1).to(query.dtype());
      Tensor gated = weights.mul(gate);
      Tensor values = Ops.repeatHeads(value, groups).to(gated.dtype());
      return scope.keep(join(gated.matmul(values)).to(query.dtype()));
    }
  }

  /** The same by its formula, for those who want to see or bound the scores. */
  private static Tensor explicit(
      Tensor query,
      Tensor key,
      Tensor value,
      AttentionMask mask,
      double dropout,
      double scale,
      double cap,
      @Nullable LayerTrace trace) {
    try (TensorScope scope = TensorScope.open("explicit attention")) {
      Tensor scores = query.matmul(key.transpose(2, 3)).mul(scale);
      if (cap != 0) {
        scores = Ops.tanh(scores.div(cap)).mul(cap);
      }
      if (mask.causal()) {
        long tokens = query.size(2);
        Tensor rows = Creation.arange(0, tokens, query.device()).reshape(tokens, 1);
        Tensor columns = Creation.arange(0, tokens, query.device()).reshape(1, tokens);
        scores = scores.maskedFill(rows.lt(columns), Double.NEGATIVE_INFINITY);
      } else if (mask.addend() != null) {
        scores = scores.add(mask.addend());
      }
      // the lowest number, not infinity: a row of padding may see nothing, and must not become NaN
      Tensor wide = scores.to(DType.FLOAT32);
      Tensor finite = wide.maskedFill(wide.eq(Double.NEGATIVE_INFINITY), -Float.MAX_VALUE);
      Tensor weights = Ops.softmax(finite, -1).to(query.dtype());
      Tensor dropped = dropout > 0 ? Dropouts.dropout(weights, dropout) : weights;
      if (trace != null) {
        trace.attention(dropped);
      }
      return scope.keep(dropped.matmul(value));
    }
  }
}
