package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

@ExtendWith(LedgerCheck.class)
class CreationTest {
  @TempDir Path folder;

  @Test
  void constants() {
    try (TensorScope scope = TensorScope.open("test")) {
      assertArrayEquals(new long[6], Creation.zeros(DType.INT64, 2, 3).toLongs());
      assertArrayEquals(new float[] {1, 1}, Creation.ones(DType.BFLOAT16, 2).toFloats());
      Tensor full = Creation.full(DType.FLOAT64, -0.125, 1, 2);
      assertArrayEquals(new float[] {-0.125f, -0.125f}, full.toFloats());
      assertEquals("Tensor[1, 2] float64", full.toString());
      assertArrayEquals(new long[] {-2, -1, 0, 1}, Creation.arange(-2, 2, Device.CPU).toLongs());
      assertEquals(Shape.of(), Creation.zeros(DType.FLOAT32).shape());
    }
  }

  @Test
  void arrays() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor floats = Creation.ofFloats(new float[] {1, 2, 3, 4, 5, 6}, 3, 2);
      assertArrayEquals(new float[] {1, 3, 5, 2, 4, 6}, floats.t().contiguous().toFloats());
      Tensor longs = Creation.ofLongs(new long[][] {{1, Long.MIN_VALUE}, {3, Long.MAX_VALUE}});
      assertEquals(Shape.of(2, 2), longs.shape());
      assertEquals(Long.MAX_VALUE, longs.select(0, 1).select(0, 1).toLong());
      Tensor bytes = Creation.ofBytes(new byte[] {-1, 0, 127}, 3);
      assertArrayEquals(new long[] {255, 0, 127}, bytes.toLongs());
      assertEquals(2.5, Creation.ofFloats(new float[] {2.5f}).toDouble());
    }
  }

  @Test
  void emptyArrays() {
    try (TensorScope scope = TensorScope.open("test")) {
      assertEquals(Shape.of(0), Creation.ofFloats(new float[0], 0).shape());
      assertEquals(Shape.of(0, 0), Creation.ofLongs(new long[0][]).shape());
      assertEquals(Shape.of(3, 0), Creation.ofLongs(new long[3][0]).shape());
      assertEquals(Shape.of(0), Creation.ofBytes(new byte[0], 0).shape());
    }
  }

  @Test
  void lengthsMustFit() {
    try (TensorScope scope = TensorScope.open("test")) {
      IllegalArgumentException e =
          assertThrows(IllegalArgumentException.class, () -> Creation.ofFloats(new float[5], 2, 3));
      assertEquals("Shape [2, 3] needs 6 elements, got 5.", e.getMessage());
      assertThrows(IllegalArgumentException.class, () -> Creation.ofLongs(new long[5], 4));
      assertThrows(IllegalArgumentException.class, () -> Creation.ofBytes(new byte[1], 2));
      e =
          assertThrows(
              IllegalArgumentException.class, () -> Creation.ofLongs(new long[][] {{1, 2}, {3}}));
      assertEquals(
          "Row 1 has 1 elements, row 0 has 2. Pad the rows to one length.", e.getMessage());
      assertThrows(RuntimeException.class, () -> Creation.ofFloats(new float[6], -2, -3));
      assertThrows(RuntimeException.class, () -> Creation.empty(DType.FLOAT32, Device.CPU, -1));
      assertThrows(RuntimeException.class, () -> Creation.zeros(DType.FLOAT32, 1L << 40, 1L << 40));
    }
  }

  @Test
  void joining() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor a = Creation.ofFloats(new float[] {1, 2}, 1, 2);
      Tensor b = Creation.ofFloats(new float[] {3, 4}, 1, 2);
      assertArrayEquals(new float[] {1, 2, 3, 4}, Creation.cat(List.of(a, b), 0).toFloats());
      assertArrayEquals(new float[] {1, 3, 2, 4}, Creation.stack(List.of(a, b), 2).toFloats());
      assertEquals(Shape.of(1, 2, 2), Creation.stack(List.of(a, b), 2).shape());
      assertThrows(TorchException.class, () -> Creation.cat(List.of(), 0));
      assertThrows(TorchException.class, () -> Creation.stack(List.of(a, b.t()), 0));
    }
  }

  @Test
  void mapsFiles() throws IOException {
    byte[] content = {1, -2, 3, 4, 0, 0, -128, 63};
    Path file = Files.write(folder.resolve("weights \u00fc.bin"), content);
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor mapped = Creation.mapFile(file, content.length);
      assertEquals(DType.UINT8, mapped.dtype());
      assertArrayEquals(content, mapped.toBytes());
      assertArrayEquals(new float[] {1}, mapped.narrow(0, 4, 4).viewAs(DType.FLOAT32).toFloats());
      mapped.fillInPlace(7);
      assertEquals(7, mapped.toLongs()[1]);
      assertArrayEquals(content, Files.readAllBytes(file));
      assertArrayEquals(new byte[] {1, -2}, Creation.mapFile(file, 2).toBytes());
    }
  }

  @Test
  void mappingOutlivesTheFirstTensor() throws IOException {
    Path file = Files.write(folder.resolve("a"), new byte[] {5, 6, 7});
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor part;
      try (TensorScope inner = TensorScope.open("inner")) {
        part = inner.keep(Creation.mapFile(file, 3).narrow(0, 1, 2));
      }
      Files.delete(file);
      assertArrayEquals(new byte[] {6, 7}, part.toBytes());
    }
  }

  @Test
  void filesThatDoNotFitAreErrors() throws IOException {
    Path file = Files.write(folder.resolve("short"), new byte[] {5, 6, 7});
    try (TensorScope scope = TensorScope.open("test")) {
      TorchException e = assertThrows(TorchException.class, () -> Creation.mapFile(file, 4));
      assertTrue(e.getMessage().contains(file.toString()), e.getMessage());
      assertThrows(TorchException.class, () -> Creation.mapFile(file, -1));
      assertThrows(TorchException.class, () -> Creation.mapFile(folder.resolve("none"), 4));
      assertThrows(TorchException.class, () -> Creation.mapFile(folder, 4));
    }
  }
}
