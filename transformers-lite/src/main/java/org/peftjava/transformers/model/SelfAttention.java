package org.peftjava.transformers.model;

import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.KvCache.KeyValues;

/**
 * Multi-head self-attention of an encoder: {@code softmax(q k^T / sqrt(d)) v}, where every token
 * may ask every other.
 *
 * <p>Reference: {@code BertSelfAttention}, {@code DistilBertSelfAttention}. Letters: {@code b}
 * batch, {@code t} tokens, {@code h} heads, {@code d} size of a head, {@code e = h d}.
 */
public final class SelfAttention extends Module {
  private final Slot<LinearLayer> query;
  private final Slot<LinearLayer> key;
  private final Slot<LinearLayer> value;
  private final @Nullable Slot<LinearLayer> output;
  private final int layer;
  private final long headSize;
  private final double dropout;
  private final double scale;

  /**
   * What the projections are called.
   *
   * @param output the projection back, or null if it is not part of this module
   */
  public record Names(String query, String key, String value, @Nullable String output) {}

  /**
   * Attention over hidden states of this size, without memory for its weights.
   *
   * @param layer its number, by which it finds its part of a prefix
   */
  public SelfAttention(Names names, int layer, long size, int heads, double dropout, DType dtype) {
    this.layer = layer;
    this.dropout = dropout;
    headSize = size / heads;
    scale = 1 / Math.sqrt((double) headSize);
    query = projection(names.query(), size, dtype);
    key = projection(names.key(), size, dtype);
    value = projection(names.value(), size, dtype);
    output = names.output() == null ? null : projection(names.output(), size, dtype);
  }

  private Slot<LinearLayer> projection(String name, long size, DType dtype) {
    return child(name, LinearLayer.class, new Linear(size, size, true, dtype));
  }

  /** Attends from each token of x (b, t, e) to those that the mask allows; returns (b, t, e). */
  public Tensor forward(Tensor x, DecoderContext context) {
    try (TensorScope scope = TensorScope.open("self attention")) {
      Tensor q = Attention.split(query.get().forward(x), headSize);
      Tensor k = Attention.split(key.get().forward(x), headSize);
      Tensor v = Attention.split(value.get().forward(x), headSize);
      KvCache past = context.past();
      KeyValues all = past == null ? new KeyValues(k, v) : past.append(layer, k, v);
      double dropped = isTraining() ? dropout : 0;
      Tensor mixed =
          Attention.of(
              q, all.keys(), all.values(), context.mask(), dropped, scale, context.trace());
      Tensor joined = Attention.join(mixed);
      return scope.keep(output == null ? joined : output.get().forward(joined));
    }
  }
}
