package org.peftjava.transformers.model.opt;

import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.Attention;
import org.peftjava.transformers.model.DecoderContext;
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
  private final long headSize;
  private final double dropout;
  private final double scale;

  OptAttention(OptConfig config, int layer, DType dtype) {
    this.layer = layer;
    headSize = config.hiddenSize() / config.numAttentionHeads();
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
  Tensor forward(Tensor x, DecoderContext context) {
    try (TensorScope scope = TensorScope.open("self_attn")) {
      Tensor query = Attention.split(qProj.get().forward(x), headSize);
      Tensor key = Attention.split(kProj.get().forward(x), headSize);
      Tensor value = Attention.split(vProj.get().forward(x), headSize);
      KvCache past = context.past();
      if (past != null) {
        KvCache.KeyValues all = past.append(layer, key, value);
        key = all.keys();
        value = all.values();
      }
      double dropped = isTraining() ? dropout : 0;
      Tensor mixed =
          Attention.of(query, key, value, context.mask(), dropped, scale, context.trace());
      return scope.keep(outProj.get().forward(Attention.join(mixed)));
    }
  }
}
