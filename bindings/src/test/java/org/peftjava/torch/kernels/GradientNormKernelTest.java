package org.peftjava.torch.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class GradientNormKernelTest extends KernelTestBase {

  @ParameterizedTest
  @MethodSource("isasAndTypes")
  void sumsSquaresOverAllArrays(KernelIsa isa, ElementType type) {
    NativeKernels.useIsa(isa);
    List<float[]> values =
        Arrays.stream(new int[] {1, 0, 33, 1025, 16385, 40_007})
            .mapToObj(n -> rounded(type, NativeArray.gaussian(n, 1.5, n)))
            .toList();
    double expected = 0;
    for (float[] array : values) {
      for (float value : array) {
        expected += (double) value * value;
      }
    }
    List<NativeArray> arrays = values.stream().map(v -> NativeArray.of(type, v)).toList();
    long[] addresses = arrays.stream().mapToLong(NativeArray::address).toArray();
    long[] counts = arrays.stream().mapToLong(NativeArray::count).toArray();
    double norm = GradientNormKernel.squaredNorm(type, addresses, counts, 1);
    assertEquals(expected, norm, 1e-7 * expected);
    assertEquals(norm, GradientNormKernel.squaredNorm(type, addresses, counts, 3));

    GradientNormKernel.scale(type, addresses, counts, 0.3, 2);
    for (int a = 0; a < arrays.size(); a++) {
      for (int i = 0; i < values.get(a).length; i++) {
        assertEquals(Bf16.round(type, values.get(a)[i] * 0.3f), arrays.get(a).get(i));
      }
    }
    arrays.forEach(NativeArray::close);
  }

  @ParameterizedTest
  @MethodSource("isasAndTypes")
  void passesNanAndInfinityOn(KernelIsa isa, ElementType type) {
    NativeKernels.useIsa(isa);
    float[] values = NativeArray.gaussian(70, 1.0, 1);
    values[69] = Float.NEGATIVE_INFINITY;
    try (NativeArray array = NativeArray.of(type, values)) {
      long[] address = {array.address()};
      long[] count = {70};
      assertEquals(
          Double.POSITIVE_INFINITY, GradientNormKernel.squaredNorm(type, address, count, 1));
      array.set(3, Float.NaN);
      assertTrue(Double.isNaN(GradientNormKernel.squaredNorm(type, address, count, 1)));
    }
  }
}
