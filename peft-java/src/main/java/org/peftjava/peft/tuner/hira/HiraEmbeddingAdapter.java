package org.peftjava.peft.tuner.hira;

import org.peftjava.torch.GradMode;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Parameter;

/**
 * HiRA over an embedding: row i of the table becomes {@code W_i + W_i * (B A_i)}, with {@code *}
 * elementwise.
 *
 * <p>Reference: PEFT {@code tuners/hira/layer.py::Embedding}. Shapes: A (r, n), B (d, r), W (n, d).
 */
final class HiraEmbeddingAdapter extends HiraAdapter {
  private final EmbeddingLayer base;

  HiraEmbeddingAdapter(Parameter a, Parameter b, EmbeddingLayer base) {
    super(a, b, "hira_embedding_");
    this.base = base;
  }

  @Override
  Tensor factor() {
    return b().matmul(a()).t();
  }

  @Override
  public Tensor afterBase(Tensor ids, Tensor y, boolean training) {
    Tensor low = Ops.embeddingUnchecked(a().t(), ids); // (..., r); the base checked the ids
    Tensor rows;
    try (GradMode off = GradMode.noGrad()) {
      rows = base.forward(ids).to(a().dtype());
    }
    return y.add(rows.mul(MatrixOps.linear(low, b(), null)));
  }
}
