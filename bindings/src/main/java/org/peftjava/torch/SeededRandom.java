package org.peftjava.torch;

import org.bytedeco.pytorch.Generator;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.global.torch;

/**
 * A random generator of its own, apart from libtorch's: {@code torch.Generator().manual_seed(seed)}
 * on the CPU. The same calls draw the same numbers as in Python.
 */
public final class SeededRandom {
  private final GeneratorOptional generator;

  /** A generator that starts at this seed. */
  public SeededRandom(long seed) {
    Generator own = Natives.call(() -> torch.make_generator_cpu(seed));
    generator = new GeneratorOptional(own);
  }

  /** Overwrites with independent uniform numbers in [from, to). Returns the tensor. */
  public Tensor uniform(Tensor tensor, double from, double to) {
    Natives.call(() -> tensor.handle().uniform_(from, to, generator));
    return tensor;
  }

  /** Overwrites with independent normal numbers. Returns the tensor. */
  public Tensor normal(Tensor tensor, double mean, double std) {
    Natives.call(() -> tensor.handle().normal_(mean, std, generator));
    return tensor;
  }

  /** The numbers below n in random order, int64. */
  public Tensor permutation(long n) {
    return Natives.op(() -> torch.randperm(n, generator, Natives.options(DType.INT64, Device.CPU)));
  }

  /** Independent whole numbers in [from, to), int64. */
  public Tensor integers(long from, long to, long... sizes) {
    return Natives.op(
        () -> torch.randint(from, to, sizes, generator, Natives.options(DType.INT64, Device.CPU)));
  }
}
