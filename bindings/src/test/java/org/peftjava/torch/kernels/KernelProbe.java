package org.peftjava.torch.kernels;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.global.torch;

/** Prints how the kernels came up in this JVM: for tests that need a start of their own. */
public final class KernelProbe {
  private KernelProbe() {}

  public static void main(String[] args) throws IOException {
    String libtorch = System.getProperty("probe.libtorch", "no");
    if (libtorch.equals("libtorch-first")) {
      Loader.load(torch.class);
    }
    System.out.println(
        NativeKernels.available()
            + " "
            + NativeKernels.isa()
                .map(KernelIsa::id)
                .orElseGet(() -> NativeKernels.unavailableReason().orElse("?")));
    try {
      CrossEntropyKernel.countTargets(0, 0);
      System.out.println("called");
    } catch (IllegalStateException e) {
      System.out.println("IllegalStateException");
    }
    System.out.println("limit " + Pointer.maxPhysicalBytes());
    if (libtorch.equals("kernels-first")) {
      Loader.load(torch.class);
    }
    if (!libtorch.equals("no") && Files.exists(Path.of("/proc/self/maps"))) {
      Files.readAllLines(Path.of("/proc/self/maps")).stream()
          .filter(line -> line.contains("gomp") || line.contains("libomp") || line.contains("iomp"))
          .map(line -> "openmp " + line.substring(line.indexOf('/')))
          .distinct()
          .forEach(System.out::println);
    }
  }
}
