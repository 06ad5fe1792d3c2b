package org.peftjava.torch.nn;

import java.util.OptionalLong;
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

  /** The id whose row gets no gradient, if there is one. */
  default OptionalLong paddingIdx() {
    return OptionalLong.empty();
  }
}
