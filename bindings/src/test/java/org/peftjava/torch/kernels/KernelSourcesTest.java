package org.peftjava.torch.kernels;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import java.io.IOException;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Loader;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The build compiles the library again when a source is newer; this tells if it did not. */
@Tag("native-kernels")
class KernelSourcesTest {
  @Test
  void libraryIsNotOlderThanItsSources() throws IOException, URISyntaxException {
    URL library =
        KernelLibrary.class.getResource(
            Loader.getPlatform() + "/" + System.mapLibraryName(KernelLibrary.NAME));
    assertNotNull(library);
    FileTime built = Files.getLastModifiedTime(Path.of(library.toURI()));
    try (Stream<Path> sources = Files.list(Path.of("src/main/cpp"))) {
      for (Path source : (Iterable<Path>) sources::iterator) {
        assertFalse(
            Files.getLastModifiedTime(source).compareTo(built) > 0,
            () ->
                source
                    + " is newer than the kernel library. Build it again: mvn process-classes -pl"
                    + " bindings");
      }
    }
  }
}
