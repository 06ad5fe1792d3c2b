package org.peftjava.torch.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.LedgerCheck;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.TorchException;

@ExtendWith(LedgerCheck.class)
class ParameterTest {
  private static final float[] NUMBERS = {1.5f, -2, 0.25f};
  private final Parameter parameter = new Parameter(Shape.of(3), DType.FLOAT32, Init.constant(4));

  @AfterEach
  void close() {
    parameter.close();
  }

  @Test
  void hasNoMemoryAtFirst() {
    assertFalse(parameter.isMaterialized());
    assertEquals(3, parameter.numel());
    assertTrue(parameter.requiresGrad());
    assertEquals(
        "A parameter of shape [3] was used before it had values, or after its model was closed."
            + " Load a state dict, or call initialize().",
        assertThrows(IllegalStateException.class, parameter::tensor).getMessage());
    parameter.zeroGrad();
    parameter.to(Device.CPU);
    parameter.to(DType.BFLOAT16);
    assertEquals(DType.BFLOAT16, parameter.dtype());
    parameter.initialize();
    assertEquals(DType.BFLOAT16, parameter.tensor().dtype());
    assertArrayEquals(new float[] {4, 4, 4}, parameter.tensor().toFloats());
  }

  @Test
  void valuesThatComeLaterGoWhereItBelongs() {
    Device meta = new Device("meta", 0);
    parameter.to(meta);
    parameter.initialize();
    assertEquals(meta, parameter.tensor().device());
    parameter.close();
    try (TensorScope scope = TensorScope.open("test")) {
      parameter.copyFrom(Creation.ofFloats(NUMBERS, 3));
    }
    assertEquals(meta, parameter.tensor().device());
    parameter.close();
    parameter.to(Device.CPU);
    parameter.initialize();
    assertArrayEquals(new float[] {4, 4, 4}, parameter.tensor().toFloats());
  }

  @Test
  void adoptsWithoutCopying() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor values = Creation.ofFloats(NUMBERS, 3).to(DType.FLOAT64);
      parameter.adopt(values);
      assertEquals(values.address(), parameter.tensor().address());
      assertEquals(DType.FLOAT64, parameter.dtype());
      assertTrue(parameter.tensor().requiresGrad());
      assertFalse(values.requiresGrad());
    }
    assertArrayEquals(NUMBERS, parameter.tensor().toFloats()); // outlives the scope
  }

  @Test
  void adoptingReplacesValuesAndDropsTheGradient() {
    try (TensorScope scope = TensorScope.open("test")) {
      parameter.initialize();
      Tensor old = parameter.tensor();
      old.setGrad(Creation.ones(DType.FLOAT32, 3));
      parameter.adopt(Creation.ofFloats(NUMBERS, 3));
      assertTrue(old.isClosed());
      assertTrue(parameter.tensor().grad().isEmpty());
    }
  }

  @Test
  void copiesIntoItsMemory() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor values = Creation.ofFloats(NUMBERS, 3).to(DType.FLOAT64);
      parameter.copyFrom(values);
      long address = parameter.tensor().address();
      assertNotEquals(values.address(), address);
      assertEquals(DType.FLOAT32, parameter.dtype());
      assertArrayEquals(NUMBERS, parameter.tensor().toFloats());
      parameter.copyFrom(values.mul(2));
      assertEquals(address, parameter.tensor().address());
      assertArrayEquals(new float[] {3, -4, 0.5f}, parameter.tensor().toFloats());
      assertTrue(parameter.tensor().requiresGrad());
    }
  }

  @Test
  void otherShapesAreErrors() {
    try (TensorScope scope = TensorScope.open("test")) {
      for (long[] sizes : new long[][] {{1}, {4}, {3, 1}, {}}) {
        Tensor bad = Creation.ones(DType.FLOAT32, sizes);
        String message =
            "A parameter of shape [3] cannot take values of shape " + Shape.of(sizes) + ".";
        assertEquals(
            message,
            assertThrows(IllegalArgumentException.class, () -> parameter.adopt(bad)).getMessage());
        assertEquals(
            message,
            assertThrows(IllegalArgumentException.class, () -> parameter.copyFrom(bad))
                .getMessage());
      }
      Tensor closed = Creation.ofFloats(NUMBERS, 3);
      closed.close();
      assertThrows(TorchException.ClosedTensor.class, () -> parameter.copyFrom(closed));
      assertThrows(TorchException.ClosedTensor.class, () -> parameter.adopt(closed));
      assertFalse(parameter.isMaterialized());
    }
  }

  @Test
  void converts() {
    try (TensorScope scope = TensorScope.open("test")) {
      parameter.copyFrom(Creation.ofFloats(new float[] {1, 1 / 3f, 1000.3f}, 3));
      Tensor tensor = parameter.tensor();
      parameter.to(DType.FLOAT32);
      parameter.to(Device.CPU);
      assertEquals(tensor.address(), parameter.tensor().address());
      parameter.to(DType.BFLOAT16);
      assertTrue(tensor.isClosed());
      assertArrayEquals(new float[] {1, 0.33398438f, 1000}, parameter.tensor().toFloats());
      assertTrue(parameter.tensor().requiresGrad());
    }
  }

  @Test
  void stoppingDropsTheGradient() {
    try (TensorScope scope = TensorScope.open("test")) {
      parameter.initialize();
      parameter.tensor().mul(2).sum().backward();
      assertArrayEquals(new float[] {2, 2, 2}, parameter.tensor().grad().orElseThrow().toFloats());
      parameter.requiresGrad(false);
      assertTrue(parameter.tensor().grad().isEmpty());
      assertFalse(parameter.tensor().mul(2).requiresGrad());
      parameter.requiresGrad(true);
      assertTrue(parameter.tensor().mul(2).requiresGrad());
    }
  }

  @Test
  void integersCollectNoGradients() {
    try (TensorScope scope = TensorScope.open("test")) {
      parameter.adopt(Creation.full(DType.INT8, 5, 3));
      assertFalse(parameter.requiresGrad());
      assertFalse(parameter.tensor().requiresGrad());
      parameter.to(DType.FLOAT64);
      assertEquals(DType.INT8, parameter.dtype());
      parameter.adopt(Creation.ofFloats(NUMBERS, 3));
      assertTrue(parameter.tensor().requiresGrad());
      assertFalse(new Parameter(Shape.of(2), DType.INT64, Init.zeros()).requiresGrad());
    }
  }

  @Test
  void canBeFilledAgainAfterClosing() {
    parameter.initialize();
    parameter.close();
    assertFalse(parameter.isMaterialized());
    parameter.init(Init.constant(-1));
    parameter.initialize();
    parameter.init(Init.ones());
    parameter.initialize(); // values are there already
    assertArrayEquals(new float[] {-1, -1, -1}, parameter.tensor().toFloats());
  }

  @Test
  void firstValuesHaveTheirDistribution() {
    Randomness.manualSeed(4);
    assertMoments(Init.normal(0.02), 0.02, 0.2);
    assertMoments(Init.uniform(0.3), 0.3 / Math.sqrt(3), 0.3);
    assertMoments(Init.kaimingUniform(16), 0.25 / Math.sqrt(3), 0.25);
    assertMoments(Init.kaimingUniform(0), 0, 0);
    assertMoments(Init.zeros(), 0, 0);
  }

  private static void assertMoments(Init init, double std, double bound) {
    try (Parameter p = new Parameter(Shape.of(100, 400), DType.FLOAT32, init);
        TensorScope scope = TensorScope.open("test")) {
      p.initialize();
      Tensor values = p.tensor().detach();
      assertEquals(0, values.mean().toDouble(), std * 0.03);
      assertEquals(std, values.pow(2).mean().sqrt().toDouble(), std * 0.03);
      assertTrue(values.abs().max().toDouble() <= bound);
    }
  }
}
