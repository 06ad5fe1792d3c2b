package org.peftjava.torch.nn;

import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;

/** A table of vectors (n, d), as {@code torch.nn.Embedding}. Ids outside the table are an error. */
public final class Embedding extends Module implements EmbeddingLayer {
  private final long numEmbeddings;
  private final long embeddingDim;
  private final Parameter weight;

  /** A table without memory; {@link #initialize} draws it from N(0, 1). */
  public Embedding(long numEmbeddings, long embeddingDim, DType dtype) {
    this.numEmbeddings = numEmbeddings;
    this.embeddingDim = embeddingDim;
    weight =
        register(
            "weight", new Parameter(Shape.of(numEmbeddings, embeddingDim), dtype, Init.normal(1)));
  }

  @Override
  public Tensor forward(Tensor ids) {
    return Ops.embedding(weight.tensor(), ids);
  }

  @Override
  public long numEmbeddings() {
    return numEmbeddings;
  }

  @Override
  public long embeddingDim() {
    return embeddingDim;
  }

  @Override
  public Parameter table() {
    return weight;
  }
}
