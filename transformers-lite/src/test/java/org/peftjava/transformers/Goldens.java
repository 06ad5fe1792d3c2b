package org.peftjava.transformers;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.fail;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.WeightSource;

/** The files that the Python reference wrote, and comparison with them. */
public final class Goldens {
  private Goldens() {}

  /** The folder of one case. */
  public static Path folder(String name) {
    Path root = Path.of("").toAbsolutePath();
    while (root != null && !Files.isDirectory(root.resolve(".mvn"))) {
      root = root.getParent();
    }
    if (root == null) {
      throw new IllegalStateException("no .mvn above " + Path.of("").toAbsolutePath());
    }
    return root.resolve("integration-tests/src/test/resources/golden").resolve(name);
  }

  /** The facts of one case. */
  public static JsonNode json(String name) {
    try {
      return new ObjectMapper().readTree(folder(name).resolve("case.json").toFile());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The tensors of one case, on the default device; owned by the current scope. */
  public static Map<String, Tensor> tensors(String name) {
    Map<String, Tensor> tensors = new HashMap<>();
    try (WeightSource source = Safetensors.open(folder(name).resolve("io.safetensors"))) {
      source
          .names()
          .forEach(key -> tensors.put(key, source.tensor(key).to(Device.defaultDevice())));
    }
    return tensors;
  }

  /** Fails unless the shapes agree and {@code |a - e| <= tolerance * (1 + |e|)} everywhere. */
  public static void assertClose(Tensor expected, Tensor actual, double tolerance) {
    assertArrayEquals(expected.shape().toArray(), actual.shape().toArray(), "shape");
    float[] e = expected.toFloats();
    float[] a = actual.toFloats();
    for (int i = 0; i < e.length; i++) {
      if (!(Math.abs(a[i] - e[i]) <= tolerance * (1 + Math.abs(e[i])))) {
        fail("element " + i + ": expected " + e[i] + ", got " + a[i]);
      }
    }
  }

  /** The rows of an int64 matrix. */
  public static long[][] rows(Tensor matrix) {
    int width = (int) matrix.size(1);
    long[] flat = matrix.toLongs();
    long[][] rows = new long[(int) matrix.size(0)][width];
    for (int i = 0; i < rows.length; i++) {
      System.arraycopy(flat, i * width, rows[i], 0, width);
    }
    return rows;
  }
}
