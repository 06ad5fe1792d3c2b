package org.peftjava.quant.bnb;

import org.jspecify.annotations.Nullable;
import org.peftjava.quant.QuantizedLinear;
import org.peftjava.torch.DType;
import org.peftjava.torch.nn.Parameter;

/**
 * A linear layer over an {@link EightBitWeight}, computed in its input's type.
 *
 * <p>In evaluation mode the input is quantized row by row and multiplied in integers, except for
 * columns with outliers; in training mode on the CPU the weight is made dense instead, as in
 * bitsandbytes. Reference: {@code bitsandbytes.nn.Linear8bitLt} and {@code
 * bitsandbytes.autograd._functions.MatMul8bitLt, MatMul8bitFp}; golden data: {@code
 * int8.safetensors}.
 */
public final class Linear8bitLt extends QuantizedLinear {
  private final EightBitWeight weight;

  /** A layer that takes over the weight and the bias (o), which may be null. */
  public Linear8bitLt(EightBitWeight weight, @Nullable Parameter bias) {
    super(weight, bias);
    this.weight = weight;
  }

  @Override
  protected Linear8bitLt twin(@Nullable Parameter sameBias) {
    return new Linear8bitLt(weight, sameBias);
  }

  @Override
  public EightBitWeight weight() {
    return weight;
  }

  @Override
  protected DType productType(DType inputType) {
    return inputType;
  }

  /** Float32: what an adapter of this layer computes in. The layer itself takes any type. */
  @Override
  public DType computeDtype() {
    return DType.FLOAT32;
  }

  /** Inputs at least this large are outliers; 0 for none. */
  public double threshold() {
    return weight.threshold();
  }
}
