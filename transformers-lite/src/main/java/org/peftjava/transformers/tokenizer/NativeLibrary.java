package org.peftjava.transformers.tokenizer;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Loads Hugging Face's tokenizers library from the DJL jar.
 *
 * <p>Not through DJL's own loader: that one keeps a copy in a cache below the home folder, asks for
 * NVIDIA cards to choose a build, may download one, and reports the use of the library over the
 * network. This one unpacks the CPU build into a fresh temporary folder, which only this user can
 * enter, and removes it again where the system allows.
 */
final class NativeLibrary {
  private static final List<String> WINDOWS_RUNTIME =
      List.of("libwinpthread-1.dll", "libgcc_s_seh-1.dll", "libstdc++-6.dll");

  private NativeLibrary() {}

  /** The library's functions; the first call loads it. */
  static TokenizersLibrary functions() {
    return Loaded.FUNCTIONS;
  }

  /** Its initialisation is the loading: once, whichever thread comes first. */
  private static final class Loaded {
    static final TokenizersLibrary FUNCTIONS = load();
  }

  private static TokenizersLibrary load() {
    String folderInJar = "native/lib/" + platform() + "/cpu/";
    List<String> files = new ArrayList<>();
    if (isWindows()) {
      files.addAll(WINDOWS_RUNTIME);
    }
    files.add(System.mapLibraryName("tokenizers"));
    try {
      Path folder = Files.createTempDirectory("peft-java-tokenizers");
      folder.toFile().deleteOnExit();
      for (String name : files) {
        Path file = folder.resolve(name);
        file.toFile().deleteOnExit();
        copy(folderInJar + name, file);
        System.load(file.toString());
      }
      if (!isWindows()) { // Windows keeps a loaded library locked
        Files.delete(folder.resolve(files.get(0)));
        Files.delete(folder);
      }
      return TokenizersLibrary.LIB;
    } catch (IOException | UnsatisfiedLinkError e) {
      throw new IllegalStateException(
          "Cannot load the tokenizers library ("
              + folderInJar
              + ") through the temporary folder "
              + System.getProperty("java.io.tmpdir")
              + ": "
              + e.getMessage()
              + ". It needs room there and permission to load libraries; choose another folder with"
              + " -Djava.io.tmpdir.",
          e);
    }
  }

  private static void copy(String resource, Path file) throws IOException {
    ClassLoader loader = TokenizersLibrary.class.getClassLoader();
    try (InputStream in = loader.getResourceAsStream(resource)) {
      if (in == null) {
        throw new IOException("there is no build for " + platform());
      }
      Files.copy(in, file);
    }
  }

  private static String platform() {
    String os = System.getProperty("os.name").toLowerCase(Locale.ROOT);
    String name = isWindows() ? "win" : os.startsWith("mac") ? "osx" : "linux";
    String arch = System.getProperty("os.arch");
    return name + "-" + (arch.equals("amd64") ? "x86_64" : arch);
  }

  private static boolean isWindows() {
    return System.getProperty("os.name").startsWith("Windows");
  }
}
