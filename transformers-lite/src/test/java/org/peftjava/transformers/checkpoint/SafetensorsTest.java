package org.peftjava.transformers.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.config.PythonJson;

class SafetensorsTest {
  private static final long MB = 1 << 20;

  @TempDir Path folder;
  private long liveBefore;
  private TensorScope scope;

  @BeforeEach
  void openScope() {
    liveBefore = TensorLedger.liveTensors();
    scope = TensorScope.open("test");
  }

  @AfterEach
  void nothingLeaks() {
    scope.close();
    assertEquals(liveBefore, TensorLedger.liveTensors());
  }

  @Test
  void readsEveryTypeThatPythonWrote() {
    Path golden = Goldens.folder("safetensors");
    JsonNode mixed = PythonJson.read(golden.resolve("headers.json"), MB).path("mixed");
    try (WeightSource source = Safetensors.open(golden.resolve("mixed_dtypes.safetensors"))) {
      assertEquals(Map.of("format", "pt"), source.metadata());
      assertEquals(mixed.size(), source.names().size());
      for (Map.Entry<String, JsonNode> expected : mixed.properties()) {
        String name = expected.getKey();
        Tensor tensor = source.tensor(name);
        assertEquals(expected.getValue().path("dtype").asText(), tensor.dtype().pythonName(), name);
        assertEquals(tensor.dtype(), source.dtype(name), name);
        assertEquals(longs(expected.getValue().path("shape")), shape(tensor.shape()), name);
        assertEquals(tensor.shape(), source.shape(name), name);
        assertValues(expected.getValue().path("values"), tensor, name);
      }
    }
  }

  @Test
  void writesTheBytesOfEveryFileThatPythonWrote() throws IOException {
    List<Path> files;
    try (Stream<Path> all = Files.walk(Goldens.folder(""))) {
      files = all.filter(file -> file.toString().endsWith(".safetensors")).toList();
    }
    assertTrue(files.size() > 20, () -> "only " + files);
    for (Path file : files) {
      Path copy = folder.resolve("copy.safetensors");
      try (WeightSource source = Safetensors.open(file);
          TensorScope inner = TensorScope.open("copy")) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        source.names().stream().sorted().forEach(n -> tensors.put(n, source.tensor(n)));
        Safetensors.write(copy, tensors, source.metadata());
      }
      assertEquals(-1, Files.mismatch(file, copy), file.toString());
    }
  }

  /** The expected text is what safetensors 0.8.0 wrote for these names and types. */
  @Test
  void ordersAndEscapesLikeTheReference() throws IOException {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (DType type : DType.values()) {
      tensors.put(type.pythonName(), Creation.ones(type, 2));
    }
    for (String name : List.of("\ud800\udf48", "\uffee", "a\u0001\u001f\u007f/\b")) {
      tensors.put(name, Creation.ones(DType.FLOAT32, 1));
    }
    Path file = folder.resolve("types.safetensors");
    Safetensors.write(file, tensors, Map.of());

    String expected =
        "{'int64':{'dtype':'I64','shape':[2],'data_offsets':[0,16]},"
            + "'float64':{'dtype':'F64','shape':[2],'data_offsets':[16,32]},"
            + "'a\\u0001\\u001f\u007f/\\b':{'dtype':'F32','shape':[1],'data_offsets':[32,36]},"
            + "'float32':{'dtype':'F32','shape':[2],'data_offsets':[36,44]},"
            + "'\uffee':{'dtype':'F32','shape':[1],'data_offsets':[44,48]},"
            + "'\ud800\udf48':{'dtype':'F32','shape':[1],'data_offsets':[48,52]},"
            + "'int32':{'dtype':'I32','shape':[2],'data_offsets':[52,60]},"
            + "'bfloat16':{'dtype':'BF16','shape':[2],'data_offsets':[60,64]},"
            + "'float16':{'dtype':'F16','shape':[2],'data_offsets':[64,68]},"
            + "'int16':{'dtype':'I16','shape':[2],'data_offsets':[68,72]},"
            + "'int8':{'dtype':'I8','shape':[2],'data_offsets':[72,74]},"
            + "'uint8':{'dtype':'U8','shape':[2],'data_offsets':[74,76]},"
            + "'bool':{'dtype':'BOOL','shape':[2],'data_offsets':[76,78]}}";
    byte[] bytes = Files.readAllBytes(file);
    int headerLength = bytes.length - 8 - 78;
    assertEquals(0, headerLength % 8);
    String header = new String(bytes, 8, headerLength, StandardCharsets.UTF_8);
    assertEquals(expected.replace('\'', '"'), header.stripTrailing());
  }

  @Test
  void everyTypeSurvivesWritingAndReading() {
    float[] numbers = {0, 1, -3, 100, 7.5f, -0.125f};
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (DType type : DType.values()) {
      tensors.put(type.pythonName(), Creation.ofFloats(numbers, 2, 3).abs().to(type));
    }
    Path file = folder.resolve("round.safetensors");
    Safetensors.write(file, tensors, Map.of("b", "1", "a", "x\"\n\u00e9"));

    try (WeightSource source = Safetensors.open(file)) {
      assertEquals("x\"\n\u00e9", source.metadata().get("a"));
      tensors.forEach(
          (name, tensor) -> {
            assertEquals(Shape.of(2, 3), source.shape(name));
            assertArrayEquals(tensor.toBytes(), source.tensor(name).toBytes(), name);
          });
    }
  }

  @Test
  void writesViewsAndTrainedTensorsAndLargeOnes() {
    Tensor base = Creation.ofFloats(new float[] {1, 2, 3, 4, 5, 6}, 2, 3);
    Tensor large = Creation.arange(0, (9 << 20) / 8 + 5, org.peftjava.torch.Device.CPU);
    Map<String, Tensor> tensors =
        Map.of("turned", base.t(), "row", base.select(0, 1), "large", large);
    Path file = folder.resolve("views.safetensors");
    base.requiresGrad(true);
    Safetensors.write(file, tensors, Map.of());

    try (WeightSource source = Safetensors.open(file)) {
      assertArrayEquals(new float[] {1, 4, 2, 5, 3, 6}, source.tensor("turned").toFloats());
      assertArrayEquals(new float[] {4, 5, 6}, source.tensor("row").toFloats());
      assertArrayEquals(large.toLongs(), source.tensor("large").toLongs());
    }
  }

  @Test
  void changingATensorDoesNotReachTheFile() {
    Path file = folder.resolve("a.safetensors");
    Safetensors.write(file, Map.of("w", Creation.ofFloats(new float[] {1, 2}, 2)), Map.of());
    try (WeightSource source = Safetensors.open(file)) {
      Tensor mapped = source.tensor("w");
      mapped.mulInPlace(10);
      assertArrayEquals(new float[] {10, 20}, mapped.toFloats());
    }
    try (WeightSource source = Safetensors.open(file)) {
      assertArrayEquals(new float[] {1, 2}, source.tensor("w").toFloats());
    }
  }

  @Test
  void tensorsOutliveTheSourceAndTheFile() {
    Path file = folder.resolve("a.safetensors");
    Safetensors.write(file, Map.of("w", Creation.ofFloats(new float[] {1, 2}, 2)), Map.of());
    WeightSource source = Safetensors.open(file);
    Tensor early = source.tensor("w");
    Safetensors.write(file, Map.of("w", Creation.ofFloats(new float[] {8, 9}, 2)), Map.of());
    Tensor late = source.tensor("w");
    source.close();
    source.close();

    assertArrayEquals(new float[] {1, 2}, early.toFloats());
    assertArrayEquals(new float[] {1, 2}, late.toFloats());
    String message =
        assertThrows(IllegalStateException.class, () -> source.tensor("w")).getMessage();
    assertTrue(message.contains("was closed"), message);
  }

  @Test
  void copiesWhatLiesAtOddAddresses() throws IOException {
    String header =
        "{\"b\":{\"dtype\":\"BOOL\",\"shape\":[3],\"data_offsets\":[0,3]},"
            + "\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[3,11]}}";
    byte[] data = {0, 1, 2, 0, 0, (byte) 0xc0, 0x3f, 0, 0, 0, (byte) 0xc0}; // 1.5, -2
    try (WeightSource source =
        Safetensors.open(SafetensorsBytes.write(folder.resolve("odd"), header, data))) {
      assertArrayEquals(new float[] {1.5f, -2}, source.tensor("w").toFloats());
      assertArrayEquals(new long[] {0, 1, 1}, source.tensor("b").toLongs());
    }
  }

  @Test
  void rejectsNamesThatCannotBeWritten() {
    Tensor tensor = Creation.ones(DType.FLOAT32, 1);
    Path file = folder.resolve("never.safetensors");
    for (String name : List.of("__metadata__", "half \ud800")) {
      assertThrows(
          IllegalArgumentException.class,
          () -> Safetensors.write(file, Map.of(name, tensor), Map.of()));
    }
    assertFalse(Files.exists(file));
  }

  @Test
  void saysWhatIsMissing() {
    Path golden = Goldens.folder("safetensors");
    try (WeightSource source = Safetensors.open(golden.resolve("no_metadata.safetensors"))) {
      String message =
          assertThrows(IllegalArgumentException.class, () -> source.tensor("other")).getMessage();
      assertTrue(message.contains("\"other\"") && message.contains("[only]"), message);
    }
    Path absent = folder.resolve("absent.safetensors");
    String message =
        assertThrows(UncheckedIOException.class, () -> Safetensors.open(absent)).getMessage();
    assertTrue(message.contains("absent.safetensors"), message);
    assertThrows(IllegalArgumentException.class, () -> Safetensors.open(golden));
  }

  private static void assertValues(JsonNode values, Tensor tensor, String name) {
    float[] floats = tensor.toFloats();
    long[] whole = tensor.dtype().isFloatingPoint() ? null : tensor.toLongs();
    assertEquals(values.size(), floats.length, name);
    for (int i = 0; i < floats.length; i++) {
      JsonNode value = values.get(i);
      if (whole == null) {
        assertEquals(value.floatValue(), floats[i], name);
      } else {
        assertEquals(
            value.isBoolean() ? (value.booleanValue() ? 1 : 0) : value.longValue(), whole[i], name);
      }
    }
  }

  private static List<Long> longs(JsonNode list) {
    return Stream.iterate(0, i -> i < list.size(), i -> i + 1)
        .map(i -> list.get(i).longValue())
        .toList();
  }

  private static List<Long> shape(Shape shape) {
    return java.util.Arrays.stream(shape.toArray()).boxed().toList();
  }
}
