package org.peftjava.peft.tuner.lora;

import java.util.OptionalInt;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.SeededRandom;
import org.peftjava.torch.Tensor;

/**
 * The first right singular vector of B A without that product. Reference: PEFT {@code
 * lora/arrow.py::ArrowLoraLinearLayer.top_right_singular_vec_from_BA}.
 */
final class PowerIteration {
  private static final int ITERATIONS = 15;
  private static final double SHORTEST = 1e-8;

  private PowerIteration() {}

  /**
   * A vector (d) of length 1, whose sign is free.
   *
   * @param a (r, d), float32 on the CPU
   * @param b (o, r), the same
   * @param seed of the vector that the search starts with; if none, it is drawn from the program's
   *     random numbers
   */
  static Tensor rightVector(Tensor a, Tensor b, OptionalInt seed) {
    Tensor squares = b.t().matmul(b);
    Tensor v = Creation.empty(DType.FLOAT32, Device.CPU, a.size(1));
    if (seed.isPresent()) {
      new SeededRandom(seed.getAsInt()).normal(v, 0, 1);
    } else {
      v.normalInPlace(0, 1);
    }
    v = unit(v);
    for (int i = 0; i < ITERATIONS; i++) {
      v = unit(a.t().matmul(squares.matmul(a.matmul(v))));
    }
    return v;
  }

  private static Tensor unit(Tensor v) {
    return v.div(v.pow(2).sum().sqrt().add(SHORTEST));
  }
}
