package org.peftjava.transformers.model.opt;

import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.AttentionMask;
import org.peftjava.transformers.model.KvCache;

/**
 * Multi-head self-attention: {@code softmax(q k^T / sqrt(d)) v}, projected back.
 *
 * <p>Reference: {@code OPTAttention}. Letters: {@code b} batch, {@code t} tokens, {@code h} heads,
 * {@code d} size of a head, {@code e = h d}.
 */
final class OptAttention extends Module {
  private final Slot<LinearLayer> kProj;
  private final Slot<LinearLayer> vProj;
  private final Slot<LinearLayer> qProj;
  private final Slot<LinearLayer> outProj;
  private final int layer;
  private final long heads;
  private final long headSize;
  private final double dropout;
  private final double scale;

  OptAttention(OptConfig config, int layer, DType dtype) {
    this.layer = layer;
    heads = config.numAttentionHeads();
    headSize = config.hiddenSize() / heads;
    dropout = config.attentionDropout();
    scale = 1 / Math.sqrt((double) headSize);
    kProj = projection("k_proj", config, dtype);
    vProj = projection("v_proj", config, dtype);
    qProj = projection("q_proj", config, dtype);
    outProj = projection("out_proj", config, dtype);
  }

  private Slot<LinearLayer> projection(String name, OptConfig config, DType dtype) {
    long size = config.hiddenSize();
    return child(name, LinearLayer.class, new Linear(size, size, config.enableBias(), dtype));
  }

  /** Attends from each token of x (b, t, e) to those that the mask allows; returns (b, t, e). */
  Tensor forward(Tensor x, AttentionMask mask, @Nullable KvCache past) {
    try (TensorScope scope = TensorScope.open("self_attn")) {
      Tensor query = heads(qProj.get().forward(x));
      Tensor key = heads(kProj.get().forward(x));
      Tensor value = heads(vProj.get().forward(x));
      if (past != null) {
        KvCache.KeyValues all = past.append(layer, key, value);
        key = all.keys();
        value = all.values();
      }
      Tensor mixed =
          Ops.scaledDotProductAttention(
              query, key, value, mask.addend(), isTraining() ? dropout : 0, mask.causal(), scale);
      return scope.keep(outProj.get().forward(joined(mixed, x)));
    }
  }

  /** (b, t, e) seen as (b, h, t, d), without copying. */
  private Tensor heads(Tensor x) {
    long batch = x.size(0);
    long tokens = x.size(1);
    return tokens == 1
        ? x.reshape(batch, heads, 1, headSize)
        : x.reshape(batch, tokens, heads, headSize).transpose(1, 2);
  }

  /** (b, h, t, d) as (b, t, e). */
  private Tensor joined(Tensor mixed, Tensor like) {
    return mixed.transpose(1, 2).reshape(like.size(0), like.size(1), heads * headSize);
  }
}
