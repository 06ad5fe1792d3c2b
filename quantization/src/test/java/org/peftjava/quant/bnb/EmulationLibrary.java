package org.peftjava.quant.bnb;

import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.annotation.Cast;
import org.bytedeco.javacpp.annotation.Namespace;
import org.bytedeco.javacpp.annotation.Platform;
import org.bytedeco.javacpp.annotation.Properties;
import org.bytedeco.javacpp.annotation.StdString;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.runtime.NativeRuntime;

/** The functions of {@code emulated_kernels.h}: CUDA kernels compiled for the CPU, for tests. */
@Properties(
    @Platform(
        include = "emulated_kernels.h",
        compiler = {"cpp17", "emulation"},
        library = EmulationLibrary.NAME))
@Namespace("emulation")
final class EmulationLibrary {
  static final String NAME = "jnipeftcudaemulation";

  static {
    NativeRuntime.ensureLoaded(); // sets JavaCPP's limits first
    Loader.load(EmulationLibrary.class);
  }

  private EmulationLibrary() {}

  static native @StdString String names();

  static native void launch(
      String kernel,
      int gridX,
      int gridY,
      int threads,
      @Cast("const int64_t*") long @Nullable [] table,
      @Cast("const int64_t*") long[] arguments,
      int count);
}
