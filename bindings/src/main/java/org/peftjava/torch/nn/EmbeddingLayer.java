package org.peftjava.torch.nn;

import java.util.Optional;
import java.util.OptionalLong;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;

/** A table of vectors looked up by id: (n, d). */
public interface EmbeddingLayer extends Layer {
  /** Number of rows n. */
  long numEmbeddings();

  /** Length of each row d. */
  long embeddingDim();

  /** Looks ids up. {@code ids} is int64 of any shape; returns (ids..., d). */
  @Override
  Tensor forward(Tensor ids);

  /** The table (n, d). */
  Parameter table();

  /** What rows are multiplied with after they were looked up, as a number of this type. */
  default double scaleIn(DType type) {
    return 1;
  }

  /** A table of the same kind and size without memory; empty if this kind cannot be copied. */
  default Optional<Module> emptyCopy() {
    return Optional.empty();
  }

  /** The id whose row gets no gradient, if there is one. */
  default OptionalLong paddingIdx() {
    return OptionalLong.empty();
  }
}
