package org.peftjava.torch.runtime;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.pytorch.global.torch;
import org.peftjava.torch.kernels.NativeKernels;
import org.peftjava.torch.kernels.ProcessEnvironment;

/**
 * The native library, loaded once per process.
 *
 * <p>JavaCPP reads its limits when its first class loads: by default every native allocation then
 * asks the system for the process's memory figure, which costs more than a small operator. They are
 * switched off here, before that class loads; the tensor ledger takes over as the safety net. A
 * limit that the user has set stays.
 *
 * <p>OpenMP's threads are told to spin for about a tenth of a millisecond when they wait: long
 * enough for the gap between two operators, short enough not to take a core from anybody. Setting
 * {@code OMP_WAIT_POLICY} or {@code GOMP_SPINCOUNT} yourself overrides it.
 */
public final class NativeRuntime {
  private static final String LIBTORCH_VERSION = "2.10.0";
  private static final String BF16_SWITCH = "peftjava.bfloat16.products";
  private static final boolean BF16_PRODUCTS;

  static {
    setUnlessSet("org.bytedeco.javacpp.maxPhysicalBytes", "0");
    setUnlessSet("org.bytedeco.javacpp.maxBytes", "0");
    setWaiting();
    try {
      Loader.load(torch.class);
    } catch (UnsatisfiedLinkError e) {
      throw new IllegalStateException(
          "libtorch could not be loaded for platform "
              + Loader.getPlatform()
              + ". Add org.bytedeco:pytorch:2.10.0-1.5.13 with the classifier of this platform"
              + " (linux-x86_64, macosx-arm64 or windows-x86_64) to the class path.",
          e);
    }
    NativeKernels.shareThreads(torch.get_num_threads());
    BF16_PRODUCTS =
        !System.getProperty(BF16_SWITCH, "on").equals("off")
            && cpuFlags().matches("(?s).*\\b(avx512_bf16|amx_bf16|bf16|svebf16)\\b.*");
  }

  private NativeRuntime() {}

  /** Loads libtorch if that has not happened yet. Every entry to native code passes here first. */
  public static void ensureLoaded() {
    // The static initialiser does the work.
  }

  /** Threads that one operator may use. */
  public static int threads() {
    return torch.get_num_threads();
  }

  /** Sets the number of threads that one operator may use. */
  public static void setThreads(int threads) {
    if (threads < 1) {
      throw new IllegalArgumentException("threads must be positive, got " + threads + ".");
    }
    torch.set_num_threads(threads);
    NativeKernels.shareThreads(threads);
  }

  /**
   * Whether this CPU multiplies bfloat16 matrices in hardware; elsewhere float32 products are
   * several times faster. {@code -Dpeftjava.bfloat16.products=off} says that it does not.
   */
  public static boolean hasBfloat16Products() {
    return BF16_PRODUCTS;
  }

  /** Whether a CUDA card can be used. */
  public static boolean cudaAvailable() {
    return torch.cuda_is_available();
  }

  /** Number of CUDA cards that can be used. */
  public static int cudaDevices() {
    return cudaAvailable() ? torch.cuda_device_count() : 0;
  }

  /** Resident memory of this process in bytes, or -1 where the system does not tell. */
  public static long residentBytes() {
    return statusBytes("VmRSS");
  }

  /**
   * Highest resident memory of this process so far in bytes, or -1 where the system does not tell.
   */
  public static long peakResidentBytes() {
    return statusBytes("VmHWM");
  }

  /** One line for logs: library version, instruction set, threads, cards. */
  public static String report() {
    return String.format(
        Locale.ROOT,
        "libtorch %s, %s, cpu %s%s, %d threads, cuda %s",
        LIBTORCH_VERSION,
        Loader.getPlatform(),
        torch.get_cpu_capability().getString(),
        BF16_PRODUCTS ? " with bf16 products" : "",
        threads(),
        cudaAvailable() ? cudaDevices() + " device(s)" : "none");
  }

  private static long statusBytes(String key) {
    try {
      Matcher line =
          Pattern.compile(key + ":\\s+(\\d+) kB")
              .matcher(Files.readString(Path.of("/proc/self/status")));
      return line.find() ? Long.parseLong(line.group(1)) * 1024 : -1;
    } catch (java.io.IOException | java.io.UncheckedIOException e) {
      return -1;
    }
  }

  private static String cpuFlags() {
    try {
      String info = Files.readString(Path.of("/proc/cpuinfo"));
      int start = info.indexOf("flags");
      start = start < 0 ? info.indexOf("Features") : start;
      int end = start < 0 ? -1 : info.indexOf('\n', start);
      return end < 0 ? "" : info.substring(start, end);
    } catch (java.io.IOException e) {
      return "";
    }
  }

  private static void setWaiting() {
    if (ProcessEnvironment.get("OMP_WAIT_POLICY").isEmpty()
        && ProcessEnvironment.get("GOMP_SPINCOUNT").isEmpty()) {
      ProcessEnvironment.set("GOMP_SPINCOUNT", "10000");
    }
  }

  private static void setUnlessSet(String property, String value) {
    if (System.getProperty(property) == null) {
      System.setProperty(property, value);
    }
  }
}
