package org.peftjava.torch;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Generator;
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
   * @param generator libtorch's generator on the CPU, opaque
   * @param cards libtorch's generators on the CUDA cards, by number
   */
  public record State(long seed, long counter, byte[] generator, List<byte[]> cards) {
    /** Copies the list. */
    public State {
      cards = List.copyOf(cards);
    }

    /** A state that leaves the cards' generators as they are. */
    public State(long seed, long counter, byte[] generator) {
      this(seed, counter, generator, List.of());
    }
  }

  /** Seeds every source of randomness. */
  public static synchronized void manualSeed(long newSeed) {
    torch.manual_seed(newSeed);
    seed = newSeed;
    counter = 0;
  }

  /** The present state. */
  public static synchronized State save() {
    try (TensorScope scope = TensorScope.open("random state")) {
      List<byte[]> cards = new ArrayList<>();
      for (int card = 0; card < NativeRuntime.cudaDevices(); card++) {
        cards.add(stateOf(Device.cuda(card)));
      }
      return new State(seed, counter, stateOf(Device.CPU), cards);
    }
  }

  /**
   * Returns to a state, so that the same numbers come again. Cards that this machine lacks are
   * passed over.
   */
  public static synchronized void restore(State state) {
    try (TensorScope scope = TensorScope.open("random state")) {
      restore(Device.CPU, state.generator());
      int cards = Math.min(state.cards().size(), NativeRuntime.cudaDevices());
      for (int card = 0; card < cards; card++) {
        restore(Device.cuda(card), state.cards().get(card));
      }
    }
    seed = state.seed();
    counter = state.counter();
  }

  private static byte[] stateOf(Device device) {
    return Natives.op(() -> generator(device).get_state()).toBytes();
  }

  private static void restore(Device device, byte[] generator) {
    Tensor bytes = Creation.ofBytes(generator, generator.length);
    Natives.call(
        () -> {
          generator(device).set_state(bytes.handle());
          return bytes;
        });
  }

  private static Generator generator(Device device) {
    return torch.globalContext().defaultGenerator(Natives.nativeDevice(device));
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
