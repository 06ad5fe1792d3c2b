package org.peftjava.peft.tuner.lora;

import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Parameter;

/**
 * DoRA over an embedding table: {@code y = f * (table[ids] + s * A^T[ids] B^T)} with f of {@link
 * DoraAdapter}, whose lengths are those of the table's columns.
 *
 * <p>Shapes: ids (...), y (..., d), A (r, n), B (d, r), m (d) for a table (n, d).
 */
final class DoraEmbeddingAdapter extends DoraAdapter {
  private final EmbeddingLayer base;
  private final LoraEmbeddingAdapter lora;

  DoraEmbeddingAdapter(EmbeddingLayer base, LoraEmbeddingAdapter lora, Parameter magnitude) {
    super(lora, lora.weights(), magnitude, 0);
    this.base = base;
    this.lora = lora;
  }

  @Override
  Tensor baseWeight() {
    return base.table().tensor().detach().copy().to(lora.a().dtype());
  }

  @Override
  Tensor addDelta(Tensor table, double sign) {
    Tensor a = lora.a().tensor().detach();
    Tensor b = lora.b().tensor().detach();
    MatrixOps.addmmInto(table, a.t(), b.t(), 1, sign * lora.scaling());
    return table;
  }

  @Override
  public Tensor afterBase(Tensor ids, Tensor y, boolean training) {
    return lora.afterBase(ids, y, training).mul(factor());
  }
}
