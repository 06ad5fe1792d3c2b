package org.peftjava.torch.nn;

import java.util.Optional;
import java.util.OptionalLong;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;

/** A table of vectors (n, d), as {@code torch.nn.Embedding}. Ids outside the table are an error. */
public final class Embedding extends Module implements EmbeddingLayer {
  private final long embeddingDim;
  private final OptionalLong paddingIdx;
  private Parameter weight;

  /** A table without memory; {@link #initialize} draws it from N(0, 1). */
  public Embedding(long numEmbeddings, long embeddingDim, DType dtype) {
    this(numEmbeddings, embeddingDim, OptionalLong.empty(), dtype);
  }

  /** A table in which the row of {@code paddingIdx} gets no gradient. */
  public Embedding(long numEmbeddings, long embeddingDim, OptionalLong paddingIdx, DType dtype) {
    this.embeddingDim = embeddingDim;
    this.paddingIdx = paddingIdx;
    weight =
        register(
            "weight", new Parameter(Shape.of(numEmbeddings, embeddingDim), dtype, Init.normal(1)));
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
    return withoutGradientOf(paddingIdx, ids, Ops.embedding(weight.tensor(), ids));
  }

  /**
   * The looked-up rows, of which those of the padding id are cut from the graph.
   *
   * @param rows (ids..., d)
   */
  public static Tensor withoutGradientOf(OptionalLong paddingIdx, Tensor ids, Tensor rows) {
    return paddingIdx.isPresent() && rows.requiresGrad()
        ? Ops.where(ids.eq(paddingIdx.getAsLong()).unsqueeze(-1), rows.detach(), rows)
        : rows;
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
    return Optional.of(new Embedding(numEmbeddings(), embeddingDim, paddingIdx, weight.dtype()));
  }

  @Override
  public OptionalLong paddingIdx() {
    return paddingIdx;
  }
}
