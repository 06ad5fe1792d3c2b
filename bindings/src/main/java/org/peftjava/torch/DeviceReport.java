package org.peftjava.torch;

import java.util.Locale;
import org.peftjava.torch.kernels.NativeKernels;
import org.peftjava.torch.runtime.NativeRuntime;

/**
 * What this process computes with: libtorch, the native kernels, memory.
 *
 * @param libtorch version, platform, instruction set, threads, cards
 * @param kernels instruction set, vector width and threading of the native kernels, or why there
 *     are none
 * @param memory tensors that Java code holds, and the process's resident memory
 */
public record DeviceReport(String libtorch, String kernels, String memory) {
  /** The report of this process, now. Loads the native libraries. */
  public static DeviceReport now() {
    String libtorch = NativeRuntime.report(); // first: the kernels share libtorch's OpenMP
    return new DeviceReport(libtorch, NativeKernels.describe(), TensorLedger.summary());
  }

  /** Three lines, each with its subject. */
  @Override
  public String toString() {
    return String.format(Locale.ROOT, "%s%nkernels: %s%n%s", libtorch, kernels, memory);
  }
}
