package org.peftjava.quant.bnb;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.javacpp.SizeTPointer;
import org.peftjava.torch.cuda.Nvrtc;
import org.peftjava.torch.runtime.NativeRuntime;

/**
 * NVRTC on a machine without an NVIDIA driver. Its binding starts the CUDA runtime first, which
 * wants the driver; here it is told to load nothing, and gets its libraries by hand.
 */
final class NvrtcWithoutDriver {
  private static final String SWITCH = "org.bytedeco.javacpp.loadlibraries";
  private static final String FOLDER = "/org/bytedeco/cuda/linux-x86_64/";
  private static final Nvrtc NVRTC = load();

  private NvrtcWithoutDriver() {}

  static Nvrtc get() {
    return NVRTC;
  }

  private static Nvrtc load() {
    NativeRuntime.ensureLoaded();
    for (Class<?> needed :
        new Class<?>[] {BytePointer.class, PointerPointer.class, SizeTPointer.class}) {
      Loader.load(needed);
    }
    System.setProperty(SWITCH, "false");
    try {
      Class.forName("org.bytedeco.cuda.global.nvrtc");
      for (String library :
          new String[] {"libnvrtc-builtins.so.13.1", "libnvrtc.so.13", "libjninvrtc.so"}) {
        File file = Loader.cacheResource(FOLDER + library);
        if (file == null) {
          throw new IllegalStateException(library + " is not on the class path: use -Pnvrtc");
        }
        System.load(file.getAbsolutePath());
      }
    } catch (ClassNotFoundException e) {
      throw new IllegalStateException(e);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } finally {
      System.clearProperty(SWITCH);
    }
    return new Nvrtc();
  }
}
