package org.peftjava.quant.bnb;

import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/** Checks scales that came from a file. */
final class LoadedScales {
  private LoadedScales() {}

  /** Throws unless all are finite and none is negative. */
  static void check(String name, Tensor scales) {
    check(name, scales, 0);
  }

  /** Throws unless all are finite. */
  static void checkFinite(String name, Tensor scales) {
    check(name, scales, Double.NEGATIVE_INFINITY);
  }

  private static void check(String name, Tensor scales, double least) {
    boolean sound;
    try (TensorScope scope = TensorScope.open("check scales")) {
      sound = scales.isFinite() && scales.min().toDouble() >= least;
    }
    if (!sound) {
      throw new IllegalArgumentException(
          name
              + " holds NaN, infinite or negative scales. Expected the largest magnitude of each"
              + " block. The file is damaged, or was saved from a model that bitsandbytes had"
              + " repacked for its CPU; quantize the original model again.");
    }
  }
}
