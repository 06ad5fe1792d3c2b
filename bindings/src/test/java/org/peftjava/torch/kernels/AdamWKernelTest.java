package org.peftjava.torch.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class AdamWKernelTest extends KernelTestBase {
  private static final ElementType F32 = ElementType.FLOAT32;

  /**
   * Steps of {@code torch.optim.AdamW} recorded by {@code golden_adamw.py}. libtorch contracts some
   * products into fused ones, so a few units in the last place remain between the two.
   */
  @ParameterizedTest
  @MethodSource("isas")
  void equalsPythonsSteps(KernelIsa isa) throws IOException {
    NativeKernels.useIsa(isa);
    try (BufferedReader golden = golden()) {
      int cases = 0;
      for (String line = golden.readLine(); line != null; line = golden.readLine()) {
        double[] c =
            Stream.of(line.split(" ", -1)).skip(1).mapToDouble(Double::parseDouble).toArray();
        checkCase(c, golden);
        cases++;
      }
      assertEquals(3, cases);
    }
  }

  private static void checkCase(double[] c, BufferedReader golden) throws IOException {
    int steps = (int) c[5];
    int n = (int) c[6];
    try (NativeArray p = NativeArray.of(F32, floats(golden.readLine()));
        NativeArray m = NativeArray.of(F32, new float[n]);
        NativeArray v = NativeArray.of(F32, new float[n])) {
      for (int step = 1; step <= steps; step++) {
        try (NativeArray g = NativeArray.of(F32, floats(golden.readLine()))) {
          step(List.of(p), List.of(g), List.of(m), List.of(v), 1.0, c, step, 1);
        }
      }
      assertUlps(floats(golden.readLine()), p, 4, "p");
      assertUlps(floats(golden.readLine()), m, 4, "m");
      assertUlps(floats(golden.readLine()), v, 4, "v");
    }
  }

  /** Every instruction set and number of threads gives the same bits, over a list of sizes. */
  @Test
  void bitsDependOnNothingButTheInput() {
    double[] c = {1e-3, 0.9, 0.999, 1e-8, 0.01};
    int[] sizes = {5, 0, 16384, 40_001, 17};
    int[][] first = null;
    for (KernelIsa isa : NativeKernels.supportedIsas()) {
      NativeKernels.useIsa(isa);
      for (int threads : new int[] {1, 2, 3}) {
        int[][] bits = run(sizes, c, threads);
        first = first == null ? bits : first;
        for (int i = 0; i < sizes.length; i++) {
          assertArrayEquals(first[i], bits[i], isa + ", " + threads + " threads, array " + i);
        }
      }
    }
  }

  /** gradientScale is the clipping factor applied to the gradient first. */
  @ParameterizedTest
  @MethodSource("isas")
  void scalesGradientsOnTheWayIn(KernelIsa isa) {
    NativeKernels.useIsa(isa);
    double[] c = {1e-2, 0.9, 0.999, 1e-8, 0.0};
    float[] gradient = NativeArray.gaussian(33, 3.0, 1);
    float[] scaled = new float[33];
    for (int i = 0; i < 33; i++) {
      scaled[i] = gradient[i] * 0.25f;
    }
    try (NativeArray p1 = NativeArray.of(F32, new float[33]);
        NativeArray m1 = NativeArray.of(F32, new float[33]);
        NativeArray v1 = NativeArray.of(F32, new float[33]);
        NativeArray g1 = NativeArray.of(F32, gradient);
        NativeArray p2 = NativeArray.of(F32, new float[33]);
        NativeArray m2 = NativeArray.of(F32, new float[33]);
        NativeArray v2 = NativeArray.of(F32, new float[33]);
        NativeArray g2 = NativeArray.of(F32, scaled)) {
      step(List.of(p1), List.of(g1), List.of(m1), List.of(v1), 0.25, c, 1, 1);
      step(List.of(p2), List.of(g2), List.of(m2), List.of(v2), 1.0, c, 1, 1);
      assertArrayEquals(p2.toBits(), p1.toBits());
      assertArrayEquals(v2.toBits(), v1.toBits());
      assertArrayEquals(gradient, g1.toArray(), "gradients are only read");
      // The first step moves every element by lr, whatever its gradient.
      assertEquals(-1e-2 * Math.signum(gradient[7]), p1.get(7), 1e-8);
    }
  }

  @ParameterizedTest
  @MethodSource("isas")
  void passesNanOn(KernelIsa isa) {
    NativeKernels.useIsa(isa);
    float[] gradient = NativeArray.gaussian(20, 1.0, 1);
    gradient[18] = Float.NaN;
    double[] c = {1e-2, 0.9, 0.999, 1e-8, 0.0};
    try (NativeArray p = NativeArray.of(F32, new float[20]);
        NativeArray m = NativeArray.of(F32, new float[20]);
        NativeArray v = NativeArray.of(F32, new float[20]);
        NativeArray g = NativeArray.of(F32, gradient)) {
      step(List.of(p), List.of(g), List.of(m), List.of(v), 1.0, c, 1, 1);
      for (int i = 0; i < 20; i++) {
        assertEquals(i == 18, Float.isNaN(p.get(i)), "element " + i);
      }
    }
  }

  @Test
  void refusesListsOfDifferentLengths() {
    long[] one = {64};
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class,
            () ->
                AdamWKernel.step(
                    one, one, one, new long[0], one, 1, 1e-3, 0.9, 0.999, 1e-8, 0, 1, 1));
    assertEquals("AdamWKernel: got 0 addresses for 1 counts.", e.getMessage());
    assertThrows(
        IllegalArgumentException.class,
        () -> AdamWKernel.step(one, one, one, one, one, 1, 1e-3, 0.9, 0.999, 1e-8, 0, 0, 1));
  }

  private static int[][] run(int[] sizes, double[] c, int threads) {
    List<List<NativeArray>> lists =
        Stream.of(1, 2, 3, 4)
            .map(
                seed ->
                    java.util.Arrays.stream(sizes)
                        .mapToObj(n -> NativeArray.of(F32, positive(n, seed)))
                        .toList())
            .toList();
    step(lists.get(0), lists.get(1), lists.get(2), lists.get(3), 0.5, c, 7, threads);
    int[][] bits = lists.get(0).stream().map(NativeArray::toBits).toArray(int[][]::new);
    lists.forEach(list -> list.forEach(NativeArray::close));
    return bits;
  }

  /** Second moments are never negative. */
  private static float[] positive(int n, int seed) {
    float[] values = NativeArray.gaussian(n, 1.0, seed);
    for (int i = 0; i < n; i++) {
      values[i] = seed == 4 ? Math.abs(values[i]) : values[i];
    }
    return values;
  }

  private static void step(
      List<NativeArray> p,
      List<NativeArray> g,
      List<NativeArray> m,
      List<NativeArray> v,
      double scale,
      double[] c,
      int step,
      int threads) {
    AdamWKernel.step(
        addresses(p),
        addresses(g),
        addresses(m),
        addresses(v),
        p.stream().mapToLong(NativeArray::count).toArray(),
        scale,
        c[0],
        c[1],
        c[2],
        c[3],
        c[4],
        step,
        threads);
  }

  private static long[] addresses(List<NativeArray> arrays) {
    return arrays.stream().mapToLong(NativeArray::address).toArray();
  }

  private static BufferedReader golden() {
    InputStream stream = AdamWKernelTest.class.getResourceAsStream("/golden/adamw.txt");
    assertNotNull(stream);
    return new BufferedReader(new InputStreamReader(stream, StandardCharsets.UTF_8));
  }

  private static float[] floats(String line) {
    String[] words = line.split(" ", -1);
    float[] values = new float[words.length - 1];
    for (int i = 0; i < values.length; i++) {
      values[i] = Float.intBitsToFloat(Integer.parseUnsignedInt(words[i + 1], 16));
    }
    return values;
  }

  private static void assertUlps(float[] expected, NativeArray actual, int ulps, String what) {
    for (int i = 0; i < expected.length; i++) {
      float distance = Math.abs(expected[i] - actual.get(i)) / Math.ulp(expected[i]);
      assertTrue(
          distance <= ulps,
          what + "[" + i + "] differs by " + distance + " units in the last place");
    }
  }
}
