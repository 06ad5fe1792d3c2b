package org.peftjava.torch.kernels;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.LoggerFactory;

/**
 * The native kernel library: whether it is there, and which instruction set it uses.
 *
 * <p>The library is built with the module when a C++ compiler is there, and chooses the fastest
 * instruction set of the processor at run time. {@code -Dpeftjava.kernels=off} leaves it out;
 * {@code -Dpeftjava.kernels.isa=}{@link KernelIsa#id} forces a level. Loading never throws: a
 * library that is missing or does not load is logged once and {@link #available()} is false.
 */
public final class NativeKernels {
  static final String SWITCH = "peftjava.kernels";
  static final String ISA_SWITCH = "peftjava.kernels.isa";

  private static final LibraryLoad LIBRARY =
      LibraryLoad.of(KernelLibrary.class, KernelLibrary.NAME);
  private static volatile @Nullable KernelIsa isa = LIBRARY.loaded() ? initialIsa() : null;

  private NativeKernels() {}

  /** Whether the kernels can be called. */
  public static boolean available() {
    return LIBRARY.loaded();
  }

  /** Why the kernels cannot be called; empty when they can. */
  public static Optional<String> unavailableReason() {
    return LIBRARY.problem();
  }

  /**
   * The instruction sets of this processor and build, from general to fast; empty if unavailable.
   */
  public static List<KernelIsa> supportedIsas() {
    if (!available()) {
      return List.of();
    }
    int highest = KernelLibrary.highestLevel();
    return Arrays.stream(KernelIsa.values()).filter(isa -> isa.code() <= highest).toList();
  }

  /** The instruction set in use; empty if the kernels are unavailable. */
  public static Optional<KernelIsa> isa() {
    return Optional.ofNullable(isa);
  }

  /**
   * Makes all kernels of the process use this instruction set. Not while one runs.
   *
   * @throws IllegalArgumentException if the processor or the build does not have it
   */
  public static void useIsa(KernelIsa wanted) {
    requireAvailable();
    if (!supportedIsas().contains(wanted)) {
      throw new IllegalArgumentException(
          "Kernels cannot use "
              + wanted.id()
              + " here; this processor and build have "
              + supportedIsas().stream().map(KernelIsa::id).toList()
              + ". Choose one of these.");
    }
    KernelLibrary.useLevel(wanted.code());
    isa = wanted;
  }

  /**
   * Makes libtorch's BLAS compute with this many of OpenMP's threads instead of spinning ones of
   * its own; call it once libtorch is loaded. Does nothing without the kernels.
   */
  public static void shareThreads(int threads) {
    if (available()) {
      KernelLibrary.shareThreads(threads);
    }
  }

  /**
   * The result of {@code work}, within which no other thread's products use several threads: LU
   * factorisations need that where threads are shared.
   */
  public static <T extends @Nullable Object> T withBlasAlone(Supplier<T> work) {
    if (!available()) {
      return work.get();
    }
    KernelLibrary.takeBlasTurn();
    try {
      return work.get();
    } finally {
      KernelLibrary.endBlasTurn();
    }
  }

  /**
   * One line for a device report: instruction set, vector width, threading; or why there is none.
   */
  public static String describe() {
    return available()
        ? KernelLibrary.describe()
        : unavailableReason().orElse("native kernels unavailable");
  }

  /** Throws if the kernels cannot be called. */
  static void requireAvailable() {
    if (!available()) {
      throw new IllegalStateException(
          unavailableReason().orElse("native kernels unavailable")
              + ". Check NativeKernels.available() and use tensor operations instead.");
    }
  }

  /** The level the property asks for if it exists here, else the fastest. */
  private static KernelIsa initialIsa() {
    List<KernelIsa> supported = supportedIsas();
    KernelIsa fastest = supported.get(supported.size() - 1);
    String wanted = System.getProperty(ISA_SWITCH);
    KernelIsa chosen =
        wanted == null ? fastest : KernelIsa.of(wanted).filter(supported::contains).orElse(fastest);
    if (wanted != null && !chosen.id().equals(wanted)) {
      LoggerFactory.getLogger(NativeKernels.class)
          .warn(
              "-D{}={} is not among {}; kernels use {}",
              ISA_SWITCH,
              wanted,
              supported.stream().map(KernelIsa::id).toList(),
              chosen.id());
    }
    KernelLibrary.useLevel(chosen.code());
    return chosen;
  }
}
