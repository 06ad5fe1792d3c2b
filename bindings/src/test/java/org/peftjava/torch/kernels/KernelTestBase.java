package org.peftjava.torch.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.provider.Arguments;

/** Kernel tests run on every instruction set of this processor and leave the fastest in use. */
@Tag("native-kernels")
abstract class KernelTestBase {
  /** Lengths around every vector and block size. */
  static final int[] SIZES = {1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 100, 257, 1000};

  static Stream<KernelIsa> isas() {
    return NativeKernels.supportedIsas().stream();
  }

  static Stream<Arguments> isasAndTypes() {
    return isas().flatMap(i -> Stream.of(ElementType.values()).map(t -> Arguments.of(i, t)));
  }

  static Stream<Arguments> isasAndTypePairs() {
    return isas()
        .flatMap(
            isa ->
                Stream.of(ElementType.values())
                    .flatMap(
                        x -> Stream.of(ElementType.values()).map(y -> Arguments.of(isa, x, y))));
  }

  @AfterEach
  void useTheFastest() {
    List<KernelIsa> all = NativeKernels.supportedIsas();
    NativeKernels.useIsa(all.get(all.size() - 1));
  }

  /** The values after one rounding to the type. */
  static float[] rounded(ElementType type, float[] values) {
    float[] result = new float[values.length];
    for (int i = 0; i < values.length; i++) {
      result[i] = Bf16.round(type, values[i]);
    }
    return result;
  }

  /** Asserts |actual - expected| within tolerance, or both NaN, or the same infinity. */
  static void assertClose(double expected, double actual, double tolerance, String what) {
    if (Double.isNaN(expected)) {
      assertTrue(Double.isNaN(actual), what + ": expected NaN, got " + actual);
    } else {
      assertEquals(expected, actual, tolerance, what);
    }
  }

  static float[] concat(float[] first, float... second) {
    float[] result = Arrays.copyOf(first, first.length + second.length);
    System.arraycopy(second, 0, result, first.length, second.length);
    return result;
  }
}
