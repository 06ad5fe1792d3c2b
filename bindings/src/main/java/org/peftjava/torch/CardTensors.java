package org.peftjava.torch;

import java.util.Optional;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.cuda.KernelLauncher;

/** Which tensors some kernels for cards can work on: those that are on one card together. */
public final class CardTensors {
  private final IntFunction<Optional<KernelLauncher>> kernels;
  private volatile @Nullable StandIn standIn;

  /** A launcher in place of the usual one for tensors on a device; null for none at all. */
  private record StandIn(Device device, @Nullable KernelLauncher launcher) {}

  /** An end of something, without an exception. */
  public interface Closing extends AutoCloseable {
    @Override
    void close();
  }

  /** For the kernels that a card has, by its number; empty if it has none. */
  public CardTensors(IntFunction<Optional<KernelLauncher>> kernels) {
    this.kernels = kernels;
  }

  /** What starts kernels for all of these, null counting as anywhere; empty if nothing can. */
  public Optional<KernelLauncher> anywhere(Tensor first, @Nullable Tensor... others) {
    if (standIn == null && first.isOnCpu()) {
      return Optional.empty();
    }
    Device device = first.device();
    for (Tensor other : others) {
      if (other != null && !other.device().equals(device)) {
        return Optional.empty();
      }
    }
    return on(device);
  }

  /** The same for tensors that must be gapless. */
  public Optional<KernelLauncher> gapless(Tensor first, @Nullable Tensor... others) {
    Optional<KernelLauncher> result = anywhere(first, others);
    boolean gapless = result.isPresent() && first.isContiguous();
    for (int i = 0; gapless && i < others.length; i++) {
      Tensor other = others[i];
      gapless = other == null || other.isContiguous();
    }
    return gapless ? result : Optional.empty();
  }

  /** What starts kernels on a device. */
  public Optional<KernelLauncher> on(Device device) {
    StandIn instead = standIn;
    if (instead != null && instead.device.equals(device)) {
      return Optional.ofNullable(instead.launcher);
    }
    return device.isCuda() ? kernels.apply(device.index()) : Optional.empty();
  }

  /**
   * Makes tensors on a device go to another launcher, or to none, until closed, on every thread:
   * tests run the kernels on the CPU so.
   */
  public Closing standIn(Device device, @Nullable KernelLauncher launcher) {
    StandIn before = standIn;
    standIn = new StandIn(device, launcher);
    return () -> standIn = before;
  }

  /** The end of a kernel's name for numbers of a type, if there are such kernels. */
  public static Optional<String> suffix(DType type) {
    return switch (type) {
      case FLOAT32 -> Optional.of("F32");
      case FLOAT16 -> Optional.of("F16");
      case BFLOAT16 -> Optional.of("BF16");
      default -> Optional.empty();
    };
  }
}
