package org.peftjava.torch;

import org.bytedeco.pytorch.global.torch;
import org.peftjava.torch.runtime.NativeRuntime;

/**
 * The random state of the process: libtorch's generator, and the counter from which the native
 * dropout derives its masks.
 *
 * <p>{@link #manualSeed} makes a run repeatable, as {@code torch.manual_seed} does.
 */
public final class Randomness {
  static {
    NativeRuntime.ensureLoaded();
  }

  private static long seed = 0x5EED_0FF5L;
  private static long counter;

  private Randomness() {}

  /**
   * Everything needed to draw the same numbers again.
   *
   * @param seed of the native dropout
   * @param counter of masks drawn so far
   * @param generator libtorch's generator, opaque
   */
  public record State(long seed, long counter, byte[] generator) {}

  /** Seeds every source of randomness. */
  public static synchronized void manualSeed(long newSeed) {
    torch.manual_seed(newSeed);
    seed = newSeed;
    counter = 0;
  }

  /** The present state. */
  public static synchronized State save() {
    try (TensorScope scope = TensorScope.open("random state")) {
      Tensor state = Natives.op(() -> torch.getDefaultCPUGenerator().get_state());
      return new State(seed, counter, state.toBytes());
    }
  }

  /** Returns to a state, so that the same numbers come again. */
  public static synchronized void restore(State state) {
    try (TensorScope scope = TensorScope.open("random state")) {
      Tensor bytes = Creation.ofBytes(state.generator(), state.generator().length);
      Natives.call(
          () -> {
            torch.getDefaultCPUGenerator().set_state(bytes.handle());
            return bytes;
          });
    }
    seed = state.seed();
    counter = state.counter();
  }

  /** A fresh 64-bit key for one dropout mask. */
  static synchronized long nextMaskSeed() {
    return mix(seed + 0x9E3779B97F4A7C15L * ++counter);
  }

  /**
   * The finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
   * generators, 2014).
   */
  private static long mix(long value) {
    long z = (value ^ (value >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}
