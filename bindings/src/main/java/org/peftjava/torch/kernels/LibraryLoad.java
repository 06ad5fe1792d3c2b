package org.peftjava.torch.kernels;

import java.util.Optional;
import org.bytedeco.javacpp.Loader;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The outcome of loading one of our libraries: loaded, or the reason why not. Never an exception.
 */
final class LibraryLoad {
  private static final Logger LOG = LoggerFactory.getLogger(NativeKernels.class);

  private final @Nullable String problem;

  private LibraryLoad(@Nullable String problem) {
    this.problem = problem;
  }

  /** Loads the library of this binding class, once per class; a failure is logged. */
  static LibraryLoad of(Class<?> binding, String name) {
    String problem = load(binding, name);
    if (problem != null) {
      LOG.info("{}; using the portable path", problem);
    }
    return new LibraryLoad(problem);
  }

  boolean loaded() {
    return problem == null;
  }

  Optional<String> problem() {
    return Optional.ofNullable(problem);
  }

  private static @Nullable String load(Class<?> binding, String name) {
    if ("off".equals(System.getProperty(NativeKernels.SWITCH))) {
      return "native kernels switched off by -D" + NativeKernels.SWITCH + "=off";
    }
    try {
      String file = Loader.getPlatform() + "/" + System.mapLibraryName(name);
      if (binding.getResource(file) == null) {
        return "native kernels not built: no C++ compiler found";
      }
      // Loading initialises JavaCPP's Pointer, which reads its limits then and never again; see
      // NativeRuntime for why they are off.
      setUnlessSet("org.bytedeco.javacpp.maxPhysicalBytes", "0");
      setUnlessSet("org.bytedeco.javacpp.maxBytes", "0");
      Loader.load(binding);
      return null;
    } catch (LinkageError | RuntimeException e) {
      return "native kernels could not be loaded: " + e;
    }
  }

  private static void setUnlessSet(String property, String value) {
    if (System.getProperty(property) == null) {
      System.setProperty(property, value);
    }
  }
}
