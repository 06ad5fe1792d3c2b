package org.peftjava.torch.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Steps on an 8-bit state beside scalar arithmetic. */
class AdamW8bitKernelTest extends KernelTestBase {
  private static final double LR = 3e-3;
  private static final double BETA1 = 0.8;
  private static final double BETA2 = 0.97;
  private static final double EPS = 1e-8;
  private static final double DECAY = 0.05;

  /** Cubes are dense near 0, as the numbers of moments are; the least are 8e-6 apart. */
  private static final ByteMap MAP = cubes();

  private static ByteMap cubes() {
    float[] values = new float[256];
    float[] limits = new float[256];
    for (int code = 0; code < 256; code++) {
      double x = code / 127.5 - 1;
      values[code] = (float) (x * Math.abs(x));
    }
    for (int code = 0; code < 255; code++) {
      limits[code] = (values[code] + values[code + 1]) / 2;
    }
    limits[255] = Float.POSITIVE_INFINITY;
    return new ByteMap(values, limits);
  }

  /** A parameter of scalar arithmetic. */
  private static final class Scalars {
    final float[] p;
    final float[] m;
    final float[] v;
    final boolean coded;

    Scalars(float[] p, boolean coded) {
      this.p = p.clone();
      m = new float[p.length];
      v = new float[p.length];
      this.coded = coded;
    }

    void step(ElementType type, float[] gradient, int step) {
      float correction = (float) Math.sqrt(1 - Math.pow(BETA2, step));
      float rate =
          (float) (-LR * Math.sqrt(1 - Math.pow(BETA2, step)) / (1 - Math.pow(BETA1, step)));
      for (int i = 0; i < p.length; i++) {
        float g = gradient[i];
        if (!Float.isFinite(g * g)) {
          m[i] = 0;
          v[i] = 0;
          continue;
        }
        m[i] = Math.fma(g, (float) (1 - BETA1), m[i] * (float) BETA1);
        v[i] = v[i] * (float) BETA2 + (float) (1 - BETA2) * g * g;
        float denominator = (float) Math.sqrt(v[i]) + correction * (float) EPS;
        p[i] = Bf16.round(type, (p[i] + rate * m[i] / denominator) * (float) (1 - LR * DECAY));
      }
      if (coded) {
        toCodesAndBack(m);
        toCodesAndBack(v);
      }
    }

    private static void toCodesAndBack(float[] x) {
      for (int start = 0; start < x.length; start += AdamW8bitKernel.BLOCK) {
        int end = Math.min(x.length, start + AdamW8bitKernel.BLOCK);
        float absmax = 0;
        for (int i = start; i < end; i++) {
          absmax = Math.max(absmax, Math.abs(x[i]));
        }
        for (int i = start; i < end; i++) {
          x[i] = MAP.values[absmax == 0 ? 0 : code(x[i] * (1 / absmax))] * absmax;
        }
      }
    }

    static int code(float x) {
      int code = 0;
      while (x > MAP.limits[code]) {
        code++;
      }
      return code;
    }
  }

  @ParameterizedTest
  @MethodSource("isasAndTypes")
  void equalsScalarArithmetic(KernelIsa isa, ElementType type) {
    NativeKernels.useIsa(isa);
    for (int n : new int[] {1, 15, 255, 256, 257, 700, 20_000}) {
      for (boolean coded : new boolean[] {true, false}) {
        float[] start = rounded(type, NativeArray.gaussian(n, 1, n));
        Scalars expected = new Scalars(start, coded);
        try (State actual = new State(type, start, coded)) {
          for (int step = 1; step <= 3; step++) {
            float[] gradient = rounded(type, NativeArray.gaussian(n, 0.1, n + step));
            gradient[n / 2] = step == 2 ? Float.NaN : step == 3 ? 0x1p99f : gradient[n / 2];
            expected.step(type, gradient, step);
            actual.step(gradient, step, 2);
          }
          int differing = 0;
          for (int i = 0; i < n; i++) {
            float tolerance = Math.max(2e-6f, type == ElementType.BFLOAT16 ? 0.02f : 0);
            differing += actual.p.get(i) == expected.p[i] ? 0 : 1;
            assertEquals(expected.p[i], actual.p.get(i), tolerance, isa + " " + n + " " + i);
          }
          int count = differing;
          // without a fused multiply-add the last place differs
          assertTrue(isa == KernelIsa.SCALAR || count <= n / 500, () -> count + " of " + n);
        }
      }
    }
  }

  /** The codes and scales of one step from nothing are those of (1-b1) g and (1-b2) g^2. */
  @ParameterizedTest
  @MethodSource("isas")
  void writesCodesAndScales(KernelIsa isa) {
    NativeKernels.useIsa(isa);
    int n = 600;
    float[] gradient = NativeArray.gaussian(n, 1, 3);
    Arrays.fill(gradient, 256, 512, 0);
    try (State state = new State(ElementType.FLOAT32, new float[n], true)) {
      state.step(gradient, 1, 1);
      for (int i = 0; i < n; i++) {
        int block = i / 256;
        float absmax = 0;
        for (int j = 256 * block; j < Math.min(n, 256 * (block + 1)); j++) {
          absmax = Math.max(absmax, Math.abs(gradient[j] * (float) (1 - BETA1)));
        }
        assertEquals(absmax, state.absmax1.get(block));
        float mean = gradient[i] * (float) (1 - BETA1);
        int code = absmax == 0 ? 0 : Scalars.code(mean * (1 / absmax));
        assertEquals(code, state.m.getByte(i) & 255, "code " + i);
      }
      assertEquals(0, state.v.getByte(300));
    }
  }

  /** Vectors, threads and the company in one call change nothing. */
  @Test
  void bitsDependOnNothingButTheInput() {
    int[] sizes = {5, 0, 16384, 40_001, 257};
    List<int[]> first = null;
    for (KernelIsa isa : NativeKernels.supportedIsas()) {
      if (isa == KernelIsa.SCALAR) {
        continue;
      }
      NativeKernels.useIsa(isa);
      for (int threads : new int[] {1, 2, 3}) {
        List<int[]> bits = run(sizes, threads);
        first = first == null ? bits : first;
        for (int i = 0; i < sizes.length; i++) {
          assertArrayEquals(first.get(i), bits.get(i), isa + ", " + threads + " threads, " + i);
        }
      }
    }
  }

  private static List<int[]> run(int[] sizes, int threads) {
    List<State> states = new ArrayList<>();
    List<NativeArray> gradients = new ArrayList<>();
    List<AdamW8bitKernel.Entry> entries = new ArrayList<>();
    for (int n : sizes) {
      ElementType type = n % 2 == 0 ? ElementType.BFLOAT16 : ElementType.FLOAT32;
      states.add(new State(type, NativeArray.gaussian(n, 1, n), n > 100));
      gradients.add(NativeArray.of(type, NativeArray.gaussian(n, 1, n + 1)));
      entries.add(states.get(states.size() - 1).entry(gradients.get(gradients.size() - 1), n + 1));
    }
    AdamW8bitKernel.step(entries, MAP, MAP, LR, BETA1, BETA2, EPS, DECAY, threads);
    List<int[]> bits = states.stream().map(state -> state.p.toBits()).toList();
    states.forEach(State::close);
    gradients.forEach(NativeArray::close);
    return bits;
  }

  @Test
  void refusesWhatItCannotRead() {
    assertThrows(IllegalArgumentException.class, () -> new ByteMap(new float[255], new float[256]));
    float[] close = MAP.limits.clone();
    close[200] = Math.nextUp(close[199]);
    close[201] = Math.nextUp(close[200]);
    assertTrue(
        assertThrows(IllegalArgumentException.class, () -> new ByteMap(MAP.values, close))
            .getMessage()
            .contains("too near"));
    ElementType f32 = ElementType.FLOAT32;
    assertThrows(
        IllegalArgumentException.class,
        () -> new AdamW8bitKernel.Entry(f32, 64, 64, 64, 64, 0, 0, 1, 0));
    assertThrows(
        IllegalArgumentException.class,
        () -> new AdamW8bitKernel.Entry(f32, 64, 64, 64, 64, 64, 0, 1, 1));
    assertThrows(
        IllegalArgumentException.class,
        () -> new AdamW8bitKernel.Entry(f32, 64, 0, 64, 64, 0, 0, 1, 1));
    assertThrows(
        IllegalArgumentException.class,
        () -> new AdamW8bitKernel.Entry(f32, 64, 64, 64, 64, 0, 0, -1, 1));
  }

  /** A parameter and its moments between guards. */
  private static final class State implements AutoCloseable {
    final ElementType type;
    final NativeArray p;
    final NativeArray m;
    final NativeArray v;
    final NativeArray absmax1;
    final NativeArray absmax2;
    final boolean coded;

    State(ElementType type, float[] start, boolean coded) {
      this.type = type;
      this.coded = coded;
      int n = start.length;
      int blocks = (n + 255) / 256;
      p = NativeArray.of(type, start);
      m =
          coded
              ? NativeArray.ofBytes(new byte[n])
              : NativeArray.of(ElementType.FLOAT32, new float[n]);
      v =
          coded
              ? NativeArray.ofBytes(new byte[n])
              : NativeArray.of(ElementType.FLOAT32, new float[n]);
      absmax1 = NativeArray.of(ElementType.FLOAT32, new float[blocks]);
      absmax2 = NativeArray.of(ElementType.FLOAT32, new float[blocks]);
    }

    AdamW8bitKernel.Entry entry(NativeArray gradient, int step) {
      return new AdamW8bitKernel.Entry(
          type,
          p.address(),
          gradient.address(),
          m.address(),
          v.address(),
          coded ? absmax1.address() : 0,
          coded ? absmax2.address() : 0,
          p.count(),
          step);
    }

    void step(float[] gradient, int step, int threads) {
      try (NativeArray g = NativeArray.of(type, gradient)) {
        AdamW8bitKernel.step(
            List.of(entry(g, step)), MAP, MAP, LR, BETA1, BETA2, EPS, DECAY, threads);
        assertArrayEquals(gradient, g.toArray(), "gradients are only read");
      }
    }

    @Override
    public void close() {
      List.of(p, m, v, absmax1, absmax2).forEach(NativeArray::close);
    }
  }
}
