package org.peftjava.peft.tuner.lora;

import java.util.List;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Parameter;

/**
 * LoRA over an embedding table: {@code y = table[ids] + s * A^T[ids] B^T}, without dropout; both
 * parts are multiplied with the scale of the table, if it has one.
 *
 * <p>Shapes: ids (...), y (..., d), A (r, n), B (d, r) for a table (n, d). The padding id's column
 * of A gets no gradient. Reference: PEFT {@code tuners/lora/layer.py::Embedding}; values in
 * golden/custom_layers and golden/opt_embedding.
 */
final class LoraEmbeddingAdapter implements LayerAdapter, LowRank {
  private final Parameter a;
  private final Parameter b;
  private final double initialScaling;
  private double scaling;
  private final EmbeddingLayer base;
  private final Role roleOfB;
  private boolean keepsTies;

  LoraEmbeddingAdapter(
      Parameter a, Parameter b, double scaling, EmbeddingLayer base, Role roleOfB) {
    this.a = a;
    this.b = b;
    this.initialScaling = scaling;
    this.scaling = scaling;
    this.base = base;
    this.roleOfB = roleOfB;
  }

  @Override
  public Parameter a() {
    return a;
  }

  @Override
  public Parameter b() {
    return b;
  }

  @Override
  public double scaling() {
    return scaling;
  }

  @Override
  public double initialScaling() {
    return initialScaling;
  }

  @Override
  public void scaling(double value) {
    scaling = value;
  }

  @Override
  public List<Weight> weights() {
    return List.of(
        new Weight("lora_embedding_A", "", a), new Weight("lora_embedding_B", "", b, roleOfB));
  }

  /** Says that all layers with the weight have this adapter. */
  void keepTies() {
    keepsTies = true;
  }

  @Override
  public boolean keepsTies() {
    return keepsTies;
  }

  /** The weight that merging changes. */
  Parameter table() {
    return base.table();
  }

  @Override
  public Tensor afterBase(Tensor ids, Tensor y, boolean training) {
    Tensor rows = Ops.embeddingUnchecked(a.tensor().t(), ids); // (..., r); the base checked the ids
    Tensor low = Embedding.withoutGradientOf(base.paddingIdx(), ids, rows);
    double scale = base.scaleIn(base.table().dtype());
    return y.add(MatrixOps.linear(low, b.tensor(), null).mul(scaling * scale));
  }

  @Override
  public Tensor mergedInto(Tensor table) {
    return table.addInPlace(delta(table));
  }

  @Override
  public Tensor removedFrom(Tensor table) {
    return table.subInPlace(delta(table), 1);
  }

  private Tensor delta(Tensor table) {
    return LoraMath.delta(a.tensor(), b.tensor(), scaling).t().to(table.dtype()); // (n, d)
  }
}
