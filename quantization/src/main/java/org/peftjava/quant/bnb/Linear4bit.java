package org.peftjava.quant.bnb;

import org.jspecify.annotations.Nullable;
import org.peftjava.quant.QuantizedLinear;
import org.peftjava.torch.DType;
import org.peftjava.torch.nn.Parameter;

/**
 * A linear layer over a {@link FourBitWeight}, computed in the compute type.
 *
 * <p>The backward pass multiplies by the weight as {@link FourBitWeight#dtype} holds it: a matrix
 * that was quantized from bfloat16 and is computed in float32 is rounded to bfloat16 there.
 * Reference: {@code bitsandbytes.nn.Linear4bit.forward} and {@code
 * bitsandbytes.autograd._functions.MatMul4Bit}; golden data: {@code linear4bit.safetensors}.
 */
public final class Linear4bit extends QuantizedLinear {
  private final FourBitWeight weight;
  private final DType computeDtype;

  /**
   * A layer that takes over the weight and the bias.
   *
   * @param bias (o), or null
   * @param computeDtype the floating-point type of the product
   */
  public Linear4bit(FourBitWeight weight, @Nullable Parameter bias, DType computeDtype) {
    super(weight, bias);
    if (!computeDtype.isFloatingPoint()) {
      throw new IllegalArgumentException(
          "The compute type of a quantized layer is "
              + computeDtype
              + ". Expected float32, bfloat16, float16 or float64.");
    }
    this.weight = weight;
    this.computeDtype = computeDtype;
  }

  @Override
  protected Linear4bit twin(@Nullable Parameter sameBias) {
    return new Linear4bit(weight, sameBias, computeDtype);
  }

  @Override
  public FourBitWeight weight() {
    return weight;
  }

  @Override
  protected DType productType(DType inputType) {
    return computeDtype;
  }

  @Override
  public DType computeDtype() {
    return computeDtype;
  }

  /** NF4 or FP4. */
  public QuantType quantType() {
    return weight.quantState().type();
  }

  /** Whether the scales are quantized too. */
  public boolean compressStatistics() {
    return weight.quantState().nestedOffset().isPresent();
  }

  /** The type of the tensor that holds the codes. */
  public DType quantStorage() {
    return weight.quantStorage();
  }

  /** The format of the weight. */
  public QuantState quantState() {
    return weight.quantState();
  }
}
