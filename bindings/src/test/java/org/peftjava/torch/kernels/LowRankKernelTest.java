package org.peftjava.torch.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.torch.kernels.LowRankKernel.Array;
import org.peftjava.torch.kernels.LowRankKernel.Run;
import org.peftjava.torch.kernels.LowRankKernel.Sizes;

/** Products of a small rank against sums in doubles. */
class LowRankKernelTest extends KernelTestBase {
  private static final double SCALE = 1.75;
  private static final long SEED = 77;

  /** Sizes around tiles of rows, vectors of ranks and of columns: n, d, o, r. */
  private static final List<Sizes> SHAPES =
      List.of(
          new Sizes(1, 5, 3, 1),
          new Sizes(8, 16, 32, 16),
          new Sizes(9, 65, 33, 7),
          new Sizes(21, 130, 71, 17),
          new Sizes(7, 64, 128, 40),
          new Sizes(150, 37, 100, 16));

  /** x, A, B and y of some sizes, and what they are after rounding. */
  private record Case(Sizes sizes, float[] x, float[] a, float[] b, float[] y) {
    static Case of(Sizes s, ElementType xType, ElementType yType) {
      return new Case(
          s,
          rounded(xType, NativeArray.gaussian((int) (s.n() * s.d()), 1, 1)),
          NativeArray.gaussian((int) (s.r() * s.d()), 0.5, 2),
          NativeArray.gaussian((int) (s.o() * s.r()), 0.5, 3),
          rounded(yType, NativeArray.gaussian((int) (s.n() * s.o()), 2, 4)));
    }
  }

  @ParameterizedTest
  @MethodSource("isasAndTypePairs")
  void addsTheUpdate(KernelIsa isa, ElementType xType, ElementType yType) {
    NativeKernels.useIsa(isa);
    for (Sizes sizes : SHAPES) {
      for (double p : new double[] {0, 0.3}) {
        Case c = Case.of(sizes, xType, yType);
        double[] x = masked(c.x(), p);
        double[] low = product(x, c.a(), sizes.n(), sizes.d(), sizes.r(), true);
        double[] change = product(low, c.b(), sizes.n(), sizes.r(), sizes.o(), true);
        try (NativeArray xs = NativeArray.of(xType, c.x());
            NativeArray a = NativeArray.of(ElementType.FLOAT32, c.a());
            NativeArray b = NativeArray.of(ElementType.FLOAT32, c.b());
            NativeArray y = NativeArray.of(yType, c.y());
            NativeArray lows =
                NativeArray.empty(ElementType.FLOAT32, (int) (sizes.n() * sizes.r()))) {
          LowRankKernel.add(
              sizes,
              new Array(xType, xs.address()),
              a.address(),
              b.address(),
              SCALE,
              lows.address(),
              new Array(yType, y.address()),
              p,
              SEED,
              2);
          compare(low, SCALE, null, ElementType.FLOAT32, lows, sizes + " low");
          compare(change, SCALE, c.y(), yType, y, sizes + " y");
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("isasAndTypePairs")
  void givesGradients(KernelIsa isa, ElementType xType, ElementType gType) {
    NativeKernels.useIsa(isa);
    for (Sizes s : SHAPES) {
      for (double p : new double[] {0, 0.3}) {
        Case c = Case.of(s, xType, gType); // y is the gradient here
        double[] g = masked(c.y(), 0);
        double[] low = scaled(product(g, c.b(), s.n(), s.o(), s.r(), false));
        double[] gx = maskedSum(product(low, c.a(), s.n(), s.r(), s.d(), false), p);
        double[] gA = outer(low, masked(c.x(), p), s.n(), s.r(), s.d());
        try (NativeArray x = NativeArray.of(xType, c.x());
            NativeArray gs = NativeArray.of(gType, c.y());
            NativeArray a = NativeArray.of(ElementType.FLOAT32, c.a());
            NativeArray b = NativeArray.of(ElementType.FLOAT32, c.b());
            NativeArray lows = NativeArray.empty(ElementType.FLOAT32, low.length);
            NativeArray gxs = NativeArray.empty(xType, gx.length);
            NativeArray gw = NativeArray.empty(ElementType.FLOAT32, gA.length)) {
          LowRankKernel.gradient(
              s,
              new Array(gType, gs.address()),
              a.address(),
              b.address(),
              SCALE,
              lows.address(),
              new Array(xType, gxs.address()),
              p,
              SEED,
              2);
          compare(low, 1, null, ElementType.FLOAT32, lows, s + " gradient of low");
          compare(gx, 1, null, xType, gxs, s + " gradient of x");
          Array xs = new Array(xType, x.address());
          weightGradient(s, xs, lows, gw, false, p);
          compare(gA, 1, null, ElementType.FLOAT32, gw, s + " gradient of A");
          weightGradient(s, xs, lows, gw, true, p);
          double[] turned = outer(masked(c.x(), p), low, s.n(), s.d(), s.r());
          compare(turned, 1, null, ElementType.FLOAT32, gw, s + " transposed");
        }
      }
    }
  }

  private static void weightGradient(
      Sizes s, Array x, NativeArray low, NativeArray gw, boolean transposed, double p) {
    LowRankKernel.weightGradient(
        s.n(), s.d(), s.r(), x, low.address(), gw.address(), transposed, p, SEED, 2);
  }

  /** Single rows, some rows, many rows, and some that keep what they have. */
  @ParameterizedTest
  @MethodSource("isasAndTypePairs")
  void addsToRunsOfRows(KernelIsa isa, ElementType xType, ElementType yType) {
    NativeKernels.useIsa(isa);
    long[][] runs = {{0, 1, 16}, {1, 1, 7}, {2, 4, 3}, {7, 11, 16}, {18, 2, 40}};
    Sizes all = new Sizes(20, 70, 45, 1);
    Case c = Case.of(all, xType, yType);
    double[] x = masked(c.x(), 0);
    double[] change = new double[c.y().length];
    List<NativeArray> open = new ArrayList<>();
    List<Run> given = new ArrayList<>();
    for (long[] run : runs) {
      float[] a = NativeArray.gaussian((int) (run[2] * all.d()), 0.5, 10 + run[0]);
      float[] b = NativeArray.gaussian((int) (run[2] * all.o()), 0.5, 40 + run[0]);
      NativeArray as = NativeArray.of(ElementType.FLOAT32, a);
      NativeArray bs = NativeArray.of(ElementType.FLOAT32, b);
      open.addAll(List.of(as, bs));
      given.add(new Run(run[0], run[1], as.address(), bs.address(), run[2], SCALE));
      double[] low = product(x, a, all.n(), all.d(), run[2], true);
      double[] own = product(low, b, all.n(), run[2], all.o(), true);
      int from = (int) (run[0] * all.o());
      System.arraycopy(own, from, change, from, (int) (run[1] * all.o()));
    }
    try (NativeArray xs = NativeArray.of(xType, c.x());
        NativeArray one = NativeArray.of(yType, c.y());
        NativeArray three = NativeArray.of(yType, c.y())) {
      Array in = new Array(xType, xs.address());
      LowRankKernel.addRuns(20, 70, 45, in, new Array(yType, one.address()), given, 1);
      LowRankKernel.addRuns(20, 70, 45, in, new Array(yType, three.address()), given, 3);
      compare(change, SCALE, c.y(), yType, one, "runs");
      assertArrayEquals(one.toBits(), three.toBits());
    } finally {
      open.forEach(NativeArray::close);
    }
  }

  @ParameterizedTest
  @MethodSource("isas")
  void doesNotDependOnThreads(KernelIsa isa) {
    NativeKernels.useIsa(isa);
    Sizes s = new Sizes(301, 257, 193, 16);
    Case c = Case.of(s, ElementType.FLOAT32, ElementType.FLOAT32);
    int[][] bits = new int[2][];
    int[][] gradients = new int[2][];
    for (int i = 0; i < 2; i++) {
      try (NativeArray x = NativeArray.of(ElementType.FLOAT32, c.x());
          NativeArray a = NativeArray.of(ElementType.FLOAT32, c.a());
          NativeArray b = NativeArray.of(ElementType.FLOAT32, c.b());
          NativeArray y = NativeArray.of(ElementType.FLOAT32, c.y());
          NativeArray low = NativeArray.empty(ElementType.FLOAT32, 301 * 16);
          NativeArray gw = NativeArray.empty(ElementType.FLOAT32, 257 * 16)) {
        Array xs = new Array(ElementType.FLOAT32, x.address());
        Array ys = new Array(ElementType.FLOAT32, y.address());
        int threads = 1 + 2 * i;
        LowRankKernel.add(
            s, xs, a.address(), b.address(), SCALE, low.address(), ys, 0.2, SEED, threads);
        LowRankKernel.weightGradient(
            301, 257, 16, xs, low.address(), gw.address(), false, 0.2, SEED, threads);
        bits[i] = y.toBits();
        gradients[i] = gw.toBits();
      }
    }
    assertArrayEquals(bits[0], bits[1]);
    assertArrayEquals(gradients[0], gradients[1]);
  }

  @Test
  void refusesWhatWouldEndTheProcess() {
    Array none = new Array(ElementType.FLOAT32, 0);
    Sizes sizes = new Sizes(2, 3, 4, 1);
    assertFails(() -> LowRankKernel.add(sizes, none, 1, 1, 1, 1, none, 0, 0, 1), "address is 0");
    assertFails(() -> LowRankKernel.add(sizes, none, 1, 1, 1, 1, none, 1, 0, 1), "p must be in");
    assertFails(() -> new Sizes(2, -3, 4, 1), "d must not be negative, got -3");
    try (NativeArray some = NativeArray.empty(ElementType.FLOAT32, 64)) {
      Array array = new Array(ElementType.FLOAT32, some.address());
      for (Run bad :
          List.of(
              new Run(1, 2, some.address(), some.address(), 1, 1),
              new Run(-1, 1, some.address(), some.address(), 1, 1),
              new Run(0, 0, some.address(), some.address(), 1, 1))) {
        assertFails(
            () -> LowRankKernel.addRuns(2, 3, 4, array, array, List.of(bad), 1),
            "is not within 2 rows");
      }
    }
  }

  private static void assertFails(org.junit.jupiter.api.function.Executable call, String part) {
    IllegalArgumentException e = assertThrows(IllegalArgumentException.class, call);
    assertTrue(String.valueOf(e.getMessage()).contains(part), e.getMessage());
  }

  /** The values where dropout keeps them, by the kernel of dropout. */
  private static double[] masked(float[] values, double p) {
    double[] doubles = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      doubles[i] = values[i];
    }
    return maskedSum(doubles, p);
  }

  private static double[] maskedSum(double[] values, double p) {
    if (p == 0) {
      return values;
    }
    float[] ones = new float[values.length];
    java.util.Arrays.fill(ones, 1f);
    double[] result = new double[values.length];
    try (NativeArray mask = NativeArray.of(ElementType.FLOAT32, ones)) {
      DropoutKernel.forward(
          ElementType.FLOAT32,
          mask.address(),
          ElementType.FLOAT32,
          mask.address(),
          values.length,
          p,
          SEED,
          0,
          1);
      for (int i = 0; i < values.length; i++) {
        result[i] = values[i] * mask.get(i);
      }
    }
    return result;
  }

  /** x (n, k) times w (m, k) transposed, or w (k, m). */
  private static double[] product(
      double[] x, float[] w, long n, long k, long m, boolean transposed) {
    double[] result = new double[(int) (n * m)];
    for (int row = 0; row < n; row++) {
      for (int j = 0; j < m; j++) {
        double sum = 0;
        for (int i = 0; i < k; i++) {
          sum += x[(int) (row * k + i)] * w[(int) (transposed ? j * k + i : i * m + j)];
        }
        result[(int) (row * m + j)] = sum;
      }
    }
    return result;
  }

  /** low (n, r) transposed times x (n, d). */
  private static double[] outer(double[] low, double[] x, long n, long r, long d) {
    double[] result = new double[(int) (r * d)];
    for (int row = 0; row < n; row++) {
      for (int j = 0; j < r; j++) {
        for (int i = 0; i < d; i++) {
          result[(int) (j * d + i)] += low[(int) (row * r + j)] * x[(int) (row * d + i)];
        }
      }
    }
    return result;
  }

  private static double[] scaled(double[] values) {
    return java.util.Arrays.stream(values).map(value -> value * SCALE).toArray();
  }

  /** {@code start + scale * values}, within what float32 sums and one rounding may differ. */
  private static void compare(
      double[] values,
      double scale,
      float @org.jspecify.annotations.Nullable [] start,
      ElementType type,
      NativeArray actual,
      String what) {
    for (int i = 0; i < values.length; i++) {
      double expected = scale * values[i] + (start == null ? 0 : start[i]);
      double tolerance = 2e-4 + 2e-6 * Math.abs(expected) + Bf16.epsilon(type) * Math.abs(expected);
      assertClose(expected, actual.get(i), tolerance, what + " at " + i);
    }
  }
}
