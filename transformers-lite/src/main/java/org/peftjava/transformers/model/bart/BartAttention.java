package org.peftjava.transformers.model.bart;

import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.Attention;
import org.peftjava.transformers.model.AttentionMask;
import org.peftjava.transformers.model.CrossAttentionCache;
import org.peftjava.transformers.model.KvCache;
import org.peftjava.transformers.model.KvCache.KeyValues;
import org.peftjava.transformers.model.LayerTrace;
import org.peftjava.transformers.model.Seq2SeqContext;

/**
 * Multi-head attention {@code softmax(q k^T / sqrt(d)) v}, projected back: over the same tokens, or
 * over those of the encoder.
 *
 * <p>Reference: {@code BartAttention}. Letters: {@code b} batch, {@code t} tokens that ask, {@code
 * d} size of a head, {@code e} hidden size.
 */
final class BartAttention extends Module {
  private final Slot<LinearLayer> key;
  private final Slot<LinearLayer> value;
  private final Slot<LinearLayer> query;
  private final Slot<LinearLayer> output;
  private final int layer;
  private final long headSize;
  private final double dropout;
  private final double scale;

  BartAttention(BartConfig config, int layer, boolean decoder, DType dtype) {
    this.layer = layer;
    long size = config.hiddenSize();
    headSize = size / config.attentionHeads(decoder);
    dropout = config.attentionDropout();
    scale = 1 / Math.sqrt((double) headSize);
    key = projection("k_proj", size, dtype);
    value = projection("v_proj", size, dtype);
    query = projection("q_proj", size, dtype);
    output = projection("out_proj", size, dtype);
  }

  private Slot<LinearLayer> projection(String name, long size, DType dtype) {
    return child(name, LinearLayer.class, new Linear(size, size, true, dtype));
  }

  /** Attends from each token of x (b, t, e) to the tokens around it; returns (b, t, e). */
  Tensor toItself(Tensor x, Seq2SeqContext context) {
    try (TensorScope scope = TensorScope.open("self_attn")) {
      KeyValues now = keyValues(x);
      KvCache past = context.past();
      KeyValues all = past == null ? now : past.append(layer, now.keys(), now.values());
      return scope.keep(attend(x, all, context.mask(), context.trace()));
    }
  }

  /** Attends from each token of x (b, t, e) to the encoder's states; returns (b, t, e). */
  Tensor toEncoder(Tensor x, Seq2SeqContext.Encoder encoder) {
    try (TensorScope scope = TensorScope.open("encoder_attn")) {
      CrossAttentionCache cache = encoder.cache();
      KeyValues all =
          cache == null
              ? keyValues(encoder.states())
              : cache.get(layer, () -> keyValues(encoder.states()));
      return scope.keep(attend(x, all, encoder.mask(), encoder.trace()));
    }
  }

  private KeyValues keyValues(Tensor states) {
    return new KeyValues(
        Attention.split(key.get().forward(states), headSize),
        Attention.split(value.get().forward(states), headSize));
  }

  private Tensor attend(Tensor x, KeyValues all, AttentionMask mask, @Nullable LayerTrace trace) {
    Tensor asked = Attention.split(query.get().forward(x), headSize);
    double dropped = isTraining() ? dropout : 0;
    Tensor mixed = Attention.of(asked, all.keys(), all.values(), mask, dropped, scale, trace);
    return output.get().forward(Attention.join(mixed));
  }
}
