package org.peftjava.quant;

import org.jspecify.annotations.Nullable;
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

  /** Throws unless x is (..., size) of a floating-point type: kernels trust its size. */
  public static void checkOperand(QuantizedWeight weight, Tensor x, long size) {
    if (x.rank() == 0 || x.size(-1) != size || !x.dtype().isFloatingPoint()) {
      throw new IllegalArgumentException(
          "A quantized weight of shape "
              + weight.shape()
              + " cannot be multiplied by "
              + x
              + ". Expected a floating-point tensor [..., "
              + size
              + "].");
    }
  }

  /** Throws unless there is no bias, or one number for each output. */
  public static void checkBias(QuantizedWeight weight, @Nullable Tensor bias) {
    if (bias != null && (bias.rank() != 1 || bias.numel() != weight.shape().get(0))) {
      throw new IllegalArgumentException(
          "A bias of shape "
              + bias.shape()
              + " does not fit a quantized weight of shape "
              + weight.shape()
              + ".");
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
