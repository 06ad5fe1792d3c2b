package org.peftjava.transformers.model.gpt2;

import java.util.List;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.AttentionLayer;
import org.peftjava.torch.nn.Conv1D;
import org.peftjava.torch.nn.Dropout;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.Attention;
import org.peftjava.transformers.model.DecoderContext;
import org.peftjava.transformers.model.KvCache;

/**
 * Multi-head self-attention whose queries, keys and values come from one product.
 *
 * <p>Reference: {@code GPT2Attention}.
 */
final class Gpt2Attention extends Module implements AttentionLayer<DecoderContext> {
  private final Slot<LinearLayer> cAttn;
  private final Slot<LinearLayer> cProj;
  private final Dropout attnDropout;
  private final Dropout residDropout;
  private final int layer;
  private final long headSize;
  private final double scale;

  Gpt2Attention(Gpt2Config config, int layer, DType dtype) {
    this.layer = layer;
    long size = config.hiddenSize();
    headSize = size / config.nHead();
    double unit = config.scaleAttnWeights() ? 1 / Math.sqrt((double) headSize) : 1;
    scale = config.scaleAttnByInverseLayerIdx() ? unit / (layer + 1) : unit;
    cAttn = child("c_attn", LinearLayer.class, new Conv1D(size, 3 * size, dtype));
    cProj = child("c_proj", LinearLayer.class, new Conv1D(size, size, dtype));
    attnDropout = child("attn_dropout", new Dropout(config.attnPdrop()));
    residDropout = child("resid_dropout", new Dropout(config.residPdrop()));
  }

  @Override
  public Tensor forward(Tensor x, DecoderContext context) {
    try (TensorScope scope = TensorScope.open("attn")) {
      List<Tensor> parts = cAttn.get().forward(x).chunk(3, -1);
      Tensor query = Attention.split(parts.get(0), headSize);
      Tensor key = Attention.split(parts.get(1), headSize);
      Tensor value = Attention.split(parts.get(2), headSize);
      KvCache past = context.past();
      if (past != null) {
        KvCache.KeyValues all = past.append(layer, key, value);
        key = all.keys();
        value = all.values();
      }
      double dropped = isTraining() ? attnDropout.p() : 0;
      Tensor mixed =
          Attention.of(query, key, value, context.mask(), dropped, scale, context.trace());
      return scope.keep(residDropout.forward(cProj.get().forward(Attention.join(mixed))));
    }
  }

  /** What comes of the vectors is not projected back, as in PEFT. */
  @Override
  public Tensor askBeside(Tensor x, Tensor vectors, Tensor gate, DecoderContext context) {
    try (TensorScope scope = TensorScope.open("beside")) {
      List<Tensor> asked = cAttn.get().forward(vectors.to(x.dtype())).chunk(3, -1);
      Tensor query = Attention.split(cAttn.get().forward(x).chunk(3, -1).get(0), headSize);
      Tensor key = Attention.split(asked.get(1), headSize);
      Tensor value = Attention.split(asked.get(2), headSize);
      return scope.keep(Attention.gated(query, key, value, gate));
    }
  }
}
