package org.peftjava.torch.kernels;

import org.bytedeco.javacpp.annotation.Namespace;
import org.bytedeco.javacpp.annotation.NoException;
import org.bytedeco.javacpp.annotation.Platform;
import org.jspecify.annotations.Nullable;

/** The functions of {@code process_environment.h}, in a library without OpenMP. */
@Platform(include = "process_environment.h", compiler = "cpp17", library = EnvironmentLibrary.NAME)
@Namespace("peftjava")
final class EnvironmentLibrary {
  static final String NAME = "jnipeftenvironment";

  private EnvironmentLibrary() {}

  @NoException
  static native int setEnvironmentVariable(String name, String value);

  @NoException
  static native @Nullable String environmentVariable(String name);
}
