package org.peftjava.torch.cuda;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.IntFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Some kernels on every card of the process, for callers that can do without: where they cannot be
 * had, the reason is logged once and the answer is empty. {@code -Dpeftjava.cuda.kernels=off}
 * leaves them out.
 */
public final class DeviceKernels {
  static final String SWITCH = "peftjava.cuda.kernels";

  private static final Logger LOG = LoggerFactory.getLogger(DeviceKernels.class);

  private final String purpose;
  private final IntFunction<KernelLauncher> opener;
  private final Map<Integer, Optional<KernelLauncher>> launchers = new ConcurrentHashMap<>();

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
    this.purpose = purpose;
    this.opener = opener;
  }

  /** What starts the kernels on a card. */
  public Optional<KernelLauncher> on(int device) {
    return launchers.computeIfAbsent(device, this::open);
  }

  private Optional<KernelLauncher> open(int device) {
    if ("off".equals(System.getProperty(SWITCH))) {
      return Optional.empty();
    }
    try {
      return Optional.of(opener.apply(device));
    } catch (LinkageError e) {
      LOG.warn(
          "No CUDA kernels for {}, libtorch's operators serve instead: NVRTC or the driver could"
              + " not be loaded ({}). Add org.bytedeco:cuda and org.bytedeco:cuda-redist with the"
              + " classifier of this platform to the class path, and check the NVIDIA driver.",
          purpose,
          e.toString());
    } catch (CudaException e) {
      LOG.warn(
          "No CUDA kernels for {}, libtorch's operators serve instead: {}",
          purpose,
          e.getMessage());
    }
    return Optional.empty();
  }
}
