package org.peftjava.peft.tuner.lora;

import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;

/** The weight change that LoRA's matrices stand for. */
final class LoraMath {
  private LoraMath() {}

  /** {@code scaling}: alpha/r, or alpha/sqrt(r) for rsLoRA. */
  static double scaling(double alpha, int r, boolean rslora) {
    return rslora ? alpha / Math.sqrt(r) : alpha / r;
  }

  /**
   * {@code s * B A}, computed in float32 if the matrices are 16-bit, then in their type.
   *
   * @param a (r, d)
   * @param b (o, r)
   * @return (o, d)
   */
  static Tensor delta(Tensor a, Tensor b, double scaling) {
    DType type = a.dtype();
    DType wide = type.isHalfPrecision() ? DType.FLOAT32 : type;
    return b.detach().to(wide).matmul(a.detach().to(wide)).mulInPlace(scaling).to(type);
  }
}
