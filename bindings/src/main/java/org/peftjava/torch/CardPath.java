package org.peftjava.torch;

import java.util.Arrays;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.cuda.KernelLauncher;
import org.peftjava.torch.cuda.TrainingKernels;

/** Decides whether {@link TrainingKernels} can work on some tensors: gapless ones on one card. */
final class CardPath {
  private static volatile @Nullable StandIn standIn;

  /** What starts kernels for tensors on a device, for tests without a card. */
  private record StandIn(Device device, KernelLauncher launcher) {}

  private CardPath() {}

  /** What starts kernels for all of these, which must be gapless; empty if nothing can. */
  static Optional<KernelLauncher> launcher(Tensor first, Tensor... others) {
    Optional<KernelLauncher> result = anywhere(first, others);
    return result.isPresent()
            && first.isContiguous()
            && Arrays.stream(others).allMatch(Tensor::isContiguous)
        ? result
        : Optional.empty();
  }

  /** The same for tensors whose elements may lie anywhere. */
  static Optional<KernelLauncher> anywhere(Tensor first, Tensor... others) {
    StandIn test = standIn;
    if (test == null && first.handle().is_cpu()) {
      return Optional.empty();
    }
    Device device = first.device();
    if (first.numel() == 0
        || (test == null ? !device.isCuda() : !device.equals(test.device))
        || !Arrays.stream(others).allMatch(other -> other.device().equals(device))) {
      return Optional.empty();
    }
    return test == null ? TrainingKernels.on(device.index()) : Optional.of(test.launcher);
  }

  /** Makes tensors on a device go to this launcher, or as usual if it is null. */
  static void standIn(Device device, @Nullable KernelLauncher launcher) {
    standIn = launcher == null ? null : new StandIn(device, launcher);
  }

  /** The end of a kernel's name for numbers of a type, if there are such kernels. */
  static Optional<String> suffix(DType type) {
    return switch (type) {
      case FLOAT32 -> Optional.of("F32");
      case FLOAT16 -> Optional.of("F16");
      case BFLOAT16 -> Optional.of("BF16");
      default -> Optional.empty();
    };
  }
}
