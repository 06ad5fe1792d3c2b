package org.peftjava.transformers.generation;

import org.peftjava.torch.Creation;
import org.peftjava.torch.Ops;
import org.peftjava.torch.TensorScope;

/** The largest of a few numbers on the host, with libtorch's choice among equals. */
final class Rankings {
  private Rankings() {}

  /** The places of the {@code k} largest of each row, largest first. */
  static long[] topK(float[] values, int rows, int k) {
    try (TensorScope scope = TensorScope.open("ranking")) {
      return Ops.topK(Creation.ofFloats(values, rows, values.length / rows), k).indices().toLongs();
    }
  }
}
