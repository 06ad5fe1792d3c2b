package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Names of element types and devices, and shapes. */
class TypesTest {
  @ParameterizedTest
  @CsvSource({
    "bfloat16, BFLOAT16",
    "torch.bfloat16, BFLOAT16",
    "bf16, BFLOAT16",
    "BF16, BFLOAT16",
    "fp32, FLOAT32",
    "float, FLOAT32",
    "Float32, FLOAT32",
    "half, FLOAT16",
    "fp16, FLOAT16",
    "double, FLOAT64",
    "torch.uint8, UINT8",
    "bool, BOOL",
    "int64, INT64",
  })
  void dtypeNames(String name, DType type) {
    assertEquals(type, DType.parse(name));
  }

  @ParameterizedTest
  @EnumSource
  void dtypesReadTheirOwnNames(DType type) {
    assertEquals(type, DType.parse(type.pythonName()));
    assertEquals(type, DType.ofSafetensors(type.safetensorsName()));
    assertEquals(type.pythonName(), type.toString());
    assertEquals(type, DType.of(type.scalarType()));
  }

  @Test
  void unknownDtypes() {
    assertEquals(
        "Unknown dtype 'int3'. Expected one of float32, bfloat16, float16, float64.",
        assertThrows(IllegalArgumentException.class, () -> DType.parse("int3")).getMessage());
    assertThrows(IllegalArgumentException.class, () -> DType.parse(""));
    assertEquals(
        "safetensors dtype 'F8_E4M3' is not supported. Supported: F64, F32, F16, BF16, I64, I32,"
            + " I16, I8, U8, BOOL.",
        assertThrows(IllegalArgumentException.class, () -> DType.ofSafetensors("F8_E4M3"))
            .getMessage());
    assertThrows(IllegalArgumentException.class, () -> DType.ofSafetensors("f32"));
  }

  @Test
  void kindsOfDtypes() {
    assertTrue(DType.BFLOAT16.isHalfPrecision());
    assertFalse(DType.FLOAT64.isHalfPrecision());
    assertTrue(DType.FLOAT64.isFloatingPoint());
    assertFalse(DType.INT32.isFloatingPoint());
  }

  @Test
  void deviceNames() {
    assertEquals(Device.CPU, Device.parse("cpu"));
    assertEquals(Device.CPU, Device.parse("cpu:0"));
    assertEquals(Device.cuda(0), Device.parse("cuda"));
    assertEquals(new Device("cuda", 3), Device.parse("cuda:3"));
    assertEquals("cuda:3", Device.cuda(3).toString());
    assertEquals("cpu", Device.CPU.toString());
    assertTrue(Device.cuda(1).isCuda());
    assertFalse(Device.CPU.isCuda());
  }

  @ParameterizedTest
  @CsvSource({
    "gpu, Unknown device type 'gpu'. Expected cpu or cuda.",
    "cuda:x, 'Cannot read device ''cuda:x''. Expected cpu, cuda or cuda:<number>.'",
    "cuda:, 'Cannot read device ''cuda:''. Expected cpu, cuda or cuda:<number>.'",
    "cuda:-1, 'Device index must be 0 to 127 for cuda, got -1.'",
    "cuda:128, 'Device index must be 0 to 127 for cuda, got 128.'",
    "cpu:1, 'Device index must be 0 to 0 for cpu, got 1.'",
  })
  void unknownDevices(String name, String message) {
    assertEquals(
        message,
        assertThrows(IllegalArgumentException.class, () -> Device.parse(name)).getMessage());
  }

  @Test
  void aPropertyThatNamesNoDevice() {
    assertEquals(
        "The system property peftjava.device is \"gpu\". Unknown device type 'gpu'. Expected cpu or"
            + " cuda.",
        assertThrows(IllegalArgumentException.class, () -> Device.ofProperty("gpu")).getMessage());
  }

  @Test
  void defaultDevice() {
    Device before = Device.defaultDevice();
    try {
      Device.setDefaultDevice(new Device("meta", 0));
      assertEquals("meta", Device.defaultDevice().toString());
      String message =
          assertThrows(IllegalArgumentException.class, () -> Device.setDefaultDevice("cuda:127"))
              .getMessage();
      assertTrue(message.startsWith("There is no cuda:127: libtorch sees "), message);
      assertThrows(IllegalArgumentException.class, () -> Device.setDefaultDevice("gpu"));
      assertEquals("meta", Device.defaultDevice().toString());
    } finally {
      Device.setDefaultDevice(before);
    }
  }

  @Test
  void shapes() {
    long[] sizes = {2, 3, 4};
    Shape shape = Shape.of(sizes);
    sizes[0] = 9;
    shape.toArray()[1] = 9;
    assertEquals(Shape.of(2, 3, 4), shape);
    assertEquals(Shape.of(2, 3, 4).hashCode(), shape.hashCode());
    assertNotEquals(Shape.of(2, 3), shape);
    assertEquals(3, shape.rank());
    assertEquals(24, shape.numel());
    assertEquals(1, Shape.of().numel());
    assertEquals(4, shape.get(-1));
    assertEquals(2, shape.get(0));
    assertEquals("[2, 3, 4]", shape.toString());
    assertArrayEquals(new long[] {2, 3, 4}, shape.toArray());
  }

  @ParameterizedTest
  @ValueSource(ints = {2, -3})
  void dimensionsThatDoNotExist(int dim) {
    assertEquals(
        "Dimension " + dim + " of shape [2, 3] does not exist.",
        assertThrows(IndexOutOfBoundsException.class, () -> Shape.of(2, 3).get(dim)).getMessage());
  }

  @Test
  void numbersOfElementsDoNotOverflow() {
    assertThrows(ArithmeticException.class, () -> Shape.of(1L << 32, 1L << 32).numel());
  }
}
