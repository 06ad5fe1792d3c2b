package org.peftjava.torch.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class CrossEntropyKernelTest extends KernelTestBase {
  private static final double SCALE = 0.375;

  @ParameterizedTest
  @MethodSource("isasAndTypes")
  void equalsTheDefinitionInDoubles(KernelIsa isa, ElementType type) {
    NativeKernels.useIsa(isa);
    for (int vocabulary : new int[] {2, 7, 16, 33, 100, 2048, 2049, 5003}) {
      int rows = 5;
      int stride = vocabulary + 3;
      float[] values = rounded(type, NativeArray.gaussian(rows * stride, 4.0, vocabulary));
      long[] targets = targets(rows, vocabulary);
      try (NativeArray z = NativeArray.of(type, values);
          NativeArray t = NativeArray.ofLongs(targets);
          NativeArray losses = NativeArray.ofDoubles(rows)) {
        double plain =
            CrossEntropyKernel.lossSum(
                type, z.address(), stride, t.address(), 0, rows, vocabulary, 2);
        assertArrayEquals(values, z.toArray(), "lossSum changed the logits");
        double sum =
            CrossEntropyKernel.lossSumAndGradient(
                type,
                z.address(),
                stride,
                t.address(),
                losses.address(),
                rows,
                vocabulary,
                SCALE,
                2);
        assertEquals(sum, plain);
        assertEquals(rows - 1, CrossEntropyKernel.countTargets(t.address(), rows));
        double expectedSum = 0;
        for (int row = 0; row < rows; row++) {
          expectedSum +=
              checkRow(type, values, z, losses.getDouble(row), row, stride, vocabulary, targets);
        }
        assertEquals(expectedSum, sum, 1e-6 * expectedSum);
      }
    }
  }

  private static double checkRow(
      ElementType type,
      float[] values,
      NativeArray z,
      double loss,
      int row,
      int stride,
      int vocabulary,
      long[] targets) {
    double maximum = Double.NEGATIVE_INFINITY;
    for (int v = 0; v < vocabulary; v++) {
      maximum = Math.max(maximum, values[row * stride + v]);
    }
    double sum = 0;
    for (int v = 0; v < vocabulary; v++) {
      sum += Math.exp(values[row * stride + v] - maximum);
    }
    boolean ignored = targets[row] == CrossEntropyKernel.IGNORE_INDEX;
    for (int v = 0; v < vocabulary; v++) {
      double p = Math.exp(values[row * stride + v] - maximum) / sum;
      double expected = ignored ? 0 : (p - (v == targets[row] ? 1 : 0)) * SCALE;
      // z - maximum is rounded once; exp turns that absolute error into a relative one.
      double shifted = 0x1p-24 * (maximum - values[row * stride + v]);
      double tolerance = (4e-7 + shifted + Bf16.epsilon(type)) * Math.abs(expected) + 1e-37;
      assertEquals(expected, z.get(row * stride + v), tolerance, "gradient " + row + "," + v);
    }
    for (int v = vocabulary; v < stride; v++) {
      assertEquals(values[row * stride + v], z.get(row * stride + v), "padding was written");
    }
    double expected =
        ignored ? 0 : Math.log(sum) + maximum - values[row * stride + (int) targets[row]];
    assertEquals(expected, loss, 1e-6 * (1 + expected), "loss of row " + row);
    return expected;
  }

  @ParameterizedTest
  @MethodSource("isasAndTypes")
  void doesNotDependOnThreads(KernelIsa isa, ElementType type) {
    NativeKernels.useIsa(isa);
    int rows = 37;
    int vocabulary = 2051;
    float[] values = NativeArray.gaussian(rows * vocabulary, 3.0, 5);
    try (NativeArray one = NativeArray.of(type, values);
        NativeArray three = NativeArray.of(type, values);
        NativeArray t = NativeArray.ofLongs(targets(rows, vocabulary))) {
      double first =
          CrossEntropyKernel.lossSumAndGradient(
              type, one.address(), vocabulary, t.address(), 0, rows, vocabulary, SCALE, 1);
      double second =
          CrossEntropyKernel.lossSumAndGradient(
              type, three.address(), vocabulary, t.address(), 0, rows, vocabulary, SCALE, 3);
      assertEquals(first, second);
      assertArrayEquals(one.toBits(), three.toBits());
    }
  }

  /** Masked (-inf) logits are zero probability, wherever in the row the first finite one comes. */
  @ParameterizedTest
  @MethodSource("isasAndTypes")
  void masksWithMinusInfinity(KernelIsa isa, ElementType type) {
    NativeKernels.useIsa(isa);
    int vocabulary = 4100;
    float[] values = new float[vocabulary];
    java.util.Arrays.fill(values, Float.NEGATIVE_INFINITY);
    values[4000] = 2f;
    values[4099] = 1f;
    try (NativeArray z = NativeArray.of(type, values);
        NativeArray t = NativeArray.ofLongs(4099)) {
      double loss =
          CrossEntropyKernel.lossSumAndGradient(
              type, z.address(), vocabulary, t.address(), 0, 1, vocabulary, 1.0, 1);
      assertEquals(Math.log1p(Math.E), loss, 1e-6);
      assertEquals(1 / (1 + Math.exp(-1)), z.get(4000), 4e-3);
      assertEquals(0f, z.get(0));
    }
  }

  @ParameterizedTest
  @MethodSource("isasAndTypes")
  void passesNanAndInfinityOn(KernelIsa isa, ElementType type) {
    NativeKernels.useIsa(isa);
    for (float poison : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
      for (int at : new int[] {0, 40, 64}) {
        float[] values = NativeArray.gaussian(2 * 65, 1.0, 1);
        values[at] = poison;
        try (NativeArray z = NativeArray.of(type, values);
            NativeArray t = NativeArray.ofLongs(3, 3);
            NativeArray losses = NativeArray.ofDoubles(2)) {
          CrossEntropyKernel.lossSumAndGradient(
              type, z.address(), 65, t.address(), losses.address(), 2, 65, 1.0, 1);
          assertTrue(Double.isNaN(losses.getDouble(0)), poison + " at " + at);
          assertTrue(Float.isNaN(z.get(at)));
          assertTrue(Double.isFinite(losses.getDouble(1)), "the other row is untouched");
        }
      }
    }
  }

  @Test
  void refusesTargetsOutsideTheClassesBeforeWriting() {
    try (NativeArray z = NativeArray.of(ElementType.FLOAT32, 1f, 2f, 3f, 4f);
        NativeArray t = NativeArray.ofLongs(0, 2)) {
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class,
              () ->
                  CrossEntropyKernel.lossSumAndGradient(
                      ElementType.FLOAT32, z.address(), 2, t.address(), 0, 2, 2, 1.0, 1));
      assertEquals(
          "Target 2 of row 1 is outside the 2 classes. Expected 0 to 1, or -100 to ignore the row.",
          e.getMessage());
      assertArrayEquals(new float[] {1f, 2f, 3f, 4f}, z.toArray());
    }
  }

  /** Random classes, with the third row ignored. */
  private static long[] targets(int rows, int vocabulary) {
    Random random = new Random(vocabulary);
    long[] targets = new long[rows];
    for (int row = 0; row < rows; row++) {
      targets[row] = row == 2 ? CrossEntropyKernel.IGNORE_INDEX : random.nextInt(vocabulary);
    }
    return targets;
  }
}
