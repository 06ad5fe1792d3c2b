package org.peftjava.peft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.WeightSource;

/** What the real PEFT wrote for the tests, and comparison with it. */
public final class Goldens {
  private static final ObjectMapper JSON = new ObjectMapper();

  private Goldens() {}

  /** A file or folder below the golden data. */
  public static Path path(String name) {
    Path root = Path.of("").toAbsolutePath();
    while (root != null && !Files.isDirectory(root.resolve(".mvn"))) {
      root = root.getParent();
    }
    if (root == null) {
      throw new IllegalStateException("no .mvn above " + Path.of("").toAbsolutePath());
    }
    return root.resolve("integration-tests/src/test/resources/golden").resolve(name);
  }

  /** A JSON file. */
  public static JsonNode json(Path file) {
    try {
      return JSON.readTree(Files.readString(file));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A JSON value as maps, lists, texts and numbers. */
  public static Object plain(JsonNode node) {
    return JSON.convertValue(node, Object.class);
  }

  /** A JSON object as a map. */
  @SuppressWarnings("unchecked")
  public static Map<String, Object> map(JsonNode node) {
    return JSON.convertValue(node, LinkedHashMap.class);
  }

  /** A JSON list of texts. */
  public static List<String> texts(JsonNode node) {
    List<String> result = new ArrayList<>();
    node.forEach(item -> result.add(item.textValue()));
    return result;
  }

  /** The tensors of a file, on the default device; owned by the current scope. */
  public static Map<String, Tensor> tensors(String file) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    try (WeightSource source = Safetensors.open(path(file))) {
      source
          .names()
          .forEach(key -> tensors.put(key, source.tensor(key).to(Device.defaultDevice())));
    }
    return tensors;
  }

  /** Fails unless the shapes agree and {@code |a - e| <= tolerance * (1 + |e|)} everywhere. */
  public static void assertClose(Tensor expected, Tensor actual, double tolerance, String what) {
    assertEquals(expected.shape(), actual.shape(), what);
    float[] e = expected.toFloats();
    float[] a = actual.toFloats();
    for (int i = 0; i < e.length; i++) {
      if (!(Math.abs(a[i] - e[i]) <= tolerance * (1 + Math.abs(e[i])))) {
        fail(what + ": element " + i + " should be " + e[i] + ", is " + a[i]);
      }
    }
  }

  /** Python's {@code value(name, shape)}: numbers of the name alone. */
  static Tensor value(String name, long... shape) {
    CRC32 crc = new CRC32();
    crc.update(name.getBytes(StandardCharsets.UTF_8));
    int count = 1;
    for (long size : shape) {
      count *= Math.toIntExact(size);
    }
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      int x = i * 0x9E3779B1 + (int) crc.getValue();
      x = (x ^ (x >>> 16)) * 0x85EBCA6B;
      x = (x ^ (x >>> 13)) * 0xC2B2AE35;
      x ^= x >>> 16;
      values[i] = (float) ((Integer.toUnsignedLong(x) / 0x1p31 - 1) * 0.3);
    }
    return Creation.ofFloats(values, shape);
  }
}
