package org.peftjava.torch.kernels;

import java.util.Optional;

/**
 * The process's environment as native libraries see it.
 *
 * <p>{@link System#getenv()} is a copy made at start-up; libtorch, the C library and OpenMP read
 * the real one, mostly when they load. Variables set here before that take effect. Not for use
 * while other threads may read the environment: the C library does not lock it.
 */
public final class ProcessEnvironment {
  private static final LibraryLoad LIBRARY =
      LibraryLoad.of(EnvironmentLibrary.class, EnvironmentLibrary.NAME);

  private ProcessEnvironment() {}

  /** Sets a variable; false if there is no native library or the system refuses. */
  public static boolean set(String name, String value) {
    if (name.isEmpty() || name.indexOf('=') >= 0) {
      throw new IllegalArgumentException(
          "\""
              + name
              + "\" cannot name an environment variable: it must be non-empty without '='.");
    }
    return LIBRARY.loaded() && EnvironmentLibrary.setEnvironmentVariable(name, value) == 0;
  }

  /** The value that native code sees; without the library, the value at start-up. */
  public static Optional<String> get(String name) {
    return Optional.ofNullable(
        LIBRARY.loaded() ? EnvironmentLibrary.environmentVariable(name) : System.getenv(name));
  }
}
