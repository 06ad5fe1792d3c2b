package org.peftjava.transformers.model.bloom;

import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Dropout;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.Attention;
import org.peftjava.transformers.model.DecoderContext;
import org.peftjava.transformers.model.KvCache;

/**
 * Multi-head self-attention whose queries, keys and values come from one product, head by head.
 *
 * <p>Reference: {@code BloomAttention}. Letters: {@code b} batch, {@code t} tokens, {@code h}
 * heads, {@code d} size of a head.
 */
final class BloomAttention extends Module {
  private final Slot<LinearLayer> queryKeyValue;
  private final Slot<LinearLayer> dense;
  private final Dropout attentionDropout;
  private final int layer;
  private final int heads;
  private final long headSize;

  BloomAttention(BloomConfig config, int layer, DType dtype) {
    this.layer = layer;
    long size = config.hiddenSize();
    heads = config.nHead();
    headSize = size / heads;
    queryKeyValue =
        child("query_key_value", LinearLayer.class, new Linear(size, 3 * size, true, dtype));
    dense = child("dense", LinearLayer.class, new Linear(size, size, true, dtype));
    attentionDropout = child("attention_dropout", new Dropout(config.attentionDropout()));
  }

  /** Attends from each token of x (b, t, e) to those that the mask allows; returns (b, t, e). */
  Tensor forward(Tensor x, DecoderContext context) {
    try (TensorScope scope = TensorScope.open("self_attention")) {
      Tensor fused =
          queryKeyValue.get().forward(x).reshape(x.size(0), x.size(1), heads, 3, headSize);
      Tensor query = fused.select(3, 0).transpose(1, 2);
      Tensor key = fused.select(3, 1).transpose(1, 2);
      Tensor value = fused.select(3, 2).transpose(1, 2);
      KvCache past = context.past();
      if (past != null) {
        KvCache.KeyValues all = past.append(layer, key, value);
        key = all.keys();
        value = all.values();
      }
      double dropped = isTraining() ? attentionDropout.p() : 0;
      double scale = 1 / Math.sqrt((double) headSize);
      Tensor mixed =
          Attention.of(query, key, value, context.mask(), dropped, scale, context.trace());
      return scope.keep(dense.get().forward(Attention.join(mixed)));
    }
  }
}
