package org.peftjava.transformers.model;

import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/** Keeps hidden states in float16 finite, as the layers of T5 and BART do. */
public final class Float16Range {
  private static final double LARGEST = 65504;
  private static final double CLAMPED = LARGEST - 1000;

  private Float16Range() {}

  /** Clamps what left the range of float16, if anything did; other types stay as they are. */
  public static Tensor clamped(Tensor x) {
    if (x.dtype() != DType.FLOAT16) {
      return x;
    }
    try (TensorScope scope = TensorScope.open("clamp")) {
      if (x.abs().eq(Double.POSITIVE_INFINITY).sum().toLong() == 0) {
        return x;
      }
      Tensor below = x.maskedFill(x.gt(CLAMPED), CLAMPED);
      return scope.keep(below.maskedFill(x.neg().gt(CLAMPED), -CLAMPED));
    }
  }
}
