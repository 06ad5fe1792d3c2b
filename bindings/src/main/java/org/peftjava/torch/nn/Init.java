package org.peftjava.torch.nn;

import org.peftjava.torch.Tensor;

/** How a parameter gets its first values. */
@FunctionalInterface
public interface Init {
  /** Overwrites the tensor's values. Runs without recording gradients. */
  void fill(Tensor tensor);

  /** All zeros. */
  static Init zeros() {
    return constant(0);
  }

  /** All ones. */
  static Init ones() {
    return constant(1);
  }

  /** One value everywhere. */
  static Init constant(double value) {
    return tensor -> tensor.fillInPlace(value);
  }

  /** Independent normal numbers with mean 0. */
  static Init normal(double std) {
    return tensor -> tensor.normalInPlace(0, std);
  }

  /** Independent uniform numbers in [-bound, bound]. */
  static Init uniform(double bound) {
    return tensor -> tensor.uniformInPlace(-bound, bound);
  }

  /**
   * {@code torch.nn.init.kaiming_uniform_(a=sqrt(5))}, the default of torch's Linear: uniform in
   * ±1/sqrt(fanIn). For weights and biases alike.
   */
  static Init kaimingUniform(long fanIn) {
    return uniform(fanIn == 0 ? 0 : 1 / Math.sqrt((double) fanIn));
  }
}
