package org.peftjava.quant;

import org.peftjava.torch.Tensor;

/** Checks of the matrices that weights are quantized from. */
public final class DenseMatrix {
  private DenseMatrix() {}

  /** Throws if a tensor is no matrix that a layer could have. */
  public static void check(Tensor dense) {
    if (dense.rank() != 2 || dense.numel() == 0) {
      throw new IllegalArgumentException(
          "A weight to quantize has shape "
              + dense.shape()
              + ". Expected a matrix [out_features, in_features] with at least one element.");
    }
    if (!dense.dtype().isFloatingPoint()) {
      throw new IllegalArgumentException(
          "A weight to quantize has type "
              + dense.dtype()
              + ". Expected float32, bfloat16, float16 or float64.");
    }
  }

  /** Throws if a matrix cannot take the place of a quantized weight's values. */
  public static void checkFits(QuantizedWeight weight, Tensor dense) {
    if (!dense.shape().equals(weight.shape())) {
      throw new IllegalArgumentException(
          "A quantized weight of shape "
              + weight.shape()
              + " cannot take values of shape "
              + dense.shape()
              + ".");
    }
  }
}
