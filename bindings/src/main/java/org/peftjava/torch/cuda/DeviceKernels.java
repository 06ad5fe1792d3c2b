package org.peftjava.torch.cuda;

import java.util.List;
import java.util.Optional;
import java.util.function.IntFunction;

/**
 * Some kernels on every card of the process, for callers that can do without: where they cannot be
 * had, the reason is logged once and the answer is empty. {@code -Dpeftjava.cuda.kernels=off}
 * leaves them out.
 */
public final class DeviceKernels {
  static final String SWITCH = "peftjava.cuda.kernels";

  private final PerCard<KernelLauncher> launchers;

  /**
   * Kernels of these sources; nothing is compiled before a card asks for one.
   *
   * @param purpose what they are for, such as "quantized weights"
   */
  public DeviceKernels(String purpose, List<KernelSource> sources) {
    this(purpose, device -> new DeviceLauncher(device, sources, new Nvrtc(), KernelCache.ofUser()));
  }

  /** The same with another way to open a card. */
  DeviceKernels(String purpose, IntFunction<KernelLauncher> opener) {
    launchers =
        new PerCard<>(
            "No CUDA kernels for " + purpose + ", libtorch's operators serve instead",
            device ->
                "off".equals(System.getProperty(SWITCH))
                    ? Optional.empty()
                    : Optional.of(opener.apply(device)));
  }

  /** What starts the kernels on a card. */
  public Optional<KernelLauncher> on(int device) {
    return launchers.on(device);
  }
}
