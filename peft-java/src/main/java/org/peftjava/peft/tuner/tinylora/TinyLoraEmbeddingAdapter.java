package org.peftjava.peft.tuner.tinylora;

import org.peftjava.torch.Dropouts;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Parameter;

/**
 * TinyLoRA over an embedding: {@code y = base(ids) + drop(B[ids]) R A}, times the scale of the
 * table, if it has one.
 *
 * <p>Reference: PEFT {@code tuners/tinylora/layer.py::Embedding}.
 */
final class TinyLoraEmbeddingAdapter extends TinyLoraAdapter {
  private final EmbeddingLayer base;
  private final double dropout;

  TinyLoraEmbeddingAdapter(Frozen frozen, Parameter v, EmbeddingLayer base, double dropout) {
    super(frozen, v);
    this.base = base;
    this.dropout = dropout;
  }

  @Override
  public Tensor afterBase(Tensor ids, Tensor y, boolean training) {
    Tensor low = Ops.embeddingUnchecked(b(), ids); // (..., r); the base checked the ids
    Tensor kept = training ? Dropouts.dropout(low, dropout) : low;
    double scale = base.scaleIn(base.table().dtype());
    return y.to(type()).add(kept.matmul(inner().matmul(a())).mul(scale));
  }
}
