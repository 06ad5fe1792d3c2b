package org.peftjava.transformers.model;

import java.util.Optional;
import java.util.OptionalLong;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * A table of vectors that are multiplied with a number, which is first rounded to the table's type.
 *
 * <p>Reference: {@code Gemma2TextScaledWordEmbedding}.
 */
public final class ScaledEmbedding extends Module implements EmbeddingLayer {
  private final long embeddingDim;
  private final OptionalLong paddingIdx;
  private final double scale;
  private Parameter weight;

  /** A table without memory. */
  public ScaledEmbedding(
      long numEmbeddings, long embeddingDim, OptionalLong paddingIdx, double scale, DType dtype) {
    this.embeddingDim = embeddingDim;
    this.paddingIdx = paddingIdx;
    this.scale = scale;
    Shape shape = Shape.of(numEmbeddings, embeddingDim);
    weight = register("weight", new Parameter(shape, dtype, Init.normal(1)));
  }

  @Override
  protected void shared(String name, Parameter parameter) {
    if (!name.equals("weight")) {
      super.shared(name, parameter);
    }
    weight = parameter;
  }

  @Override
  public Tensor forward(Tensor ids) {
    try (TensorScope scope = TensorScope.open("scaled embedding")) {
      Tensor rows = Ops.embedding(weight.tensor(), ids);
      return scope.keep(
          Embedding.withoutGradientOf(paddingIdx, ids, rows).mul(scaleIn(rows.dtype())));
    }
  }

  @Override
  public double scaleIn(DType type) {
    return Creation.zeros(type, 1).fillInPlace(scale).toDouble();
  }

  @Override
  public long numEmbeddings() {
    return weight.shape().get(0);
  }

  @Override
  public long embeddingDim() {
    return embeddingDim;
  }

  @Override
  public Parameter table() {
    return weight;
  }

  @Override
  public Optional<Module> emptyCopy() {
    return Optional.of(
        new ScaledEmbedding(numEmbeddings(), embeddingDim, paddingIdx, scale, weight.dtype()));
  }

  @Override
  public OptionalLong paddingIdx() {
    return paddingIdx;
  }
}
