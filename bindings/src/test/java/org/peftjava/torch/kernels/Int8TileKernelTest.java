package org.peftjava.torch.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** {@link RowwiseInt8Kernel#denseProduct} where there is AMX; that it is refused elsewhere. */
class Int8TileKernelTest extends KernelTestBase {
  private static final ElementType TYPE = ElementType.BFLOAT16;

  @ParameterizedTest
  @MethodSource("isas")
  void equalsTheSumInDoublesOrIsRefused(KernelIsa isa) {
    NativeKernels.useIsa(isa);
    Random random = new Random(5);
    for (int round = 0; round < 12; round++) {
      int n = 1 + random.nextInt(round < 10 ? 90 : 700);
      int k = 32 * (1 + random.nextInt(round < 10 ? 24 : 8));
      int m = 1 + random.nextInt(round < 5 ? 20 : round < 10 ? 70 : 600);
      assertEquals(isa == KernelIsa.AMX, RowwiseInt8Kernel.coversDense(k));
      if (isa == KernelIsa.AMX) {
        compare(random, m, n, k, false);
        compare(random, m, n, k, true);
      } else {
        assertThrows(
            IllegalArgumentException.class,
            () -> RowwiseInt8Kernel.denseProduct(8, 8, false, 8, 0, 8, m, n, k, 1));
      }
    }
  }

  private static void compare(Random random, int m, int n, int k, boolean transposed) {
    int in = transposed ? n : k;
    int out = transposed ? k : n;
    float[] xs = rounded(TYPE, NativeArray.gaussian(m * in, 1, m));
    float[] biases = rounded(TYPE, NativeArray.gaussian(out, 2, m + 1));
    byte[] codes = new byte[n * k];
    random.nextBytes(codes);
    float[] scales = NativeArray.gaussian(n, 1, n);
    try (NativeArray x = NativeArray.of(TYPE, xs);
        NativeArray w = NativeArray.ofBytes(codes);
        NativeArray absmax = NativeArray.of(ElementType.FLOAT32, scales);
        NativeArray bias = NativeArray.of(TYPE, biases);
        NativeArray y = NativeArray.empty(TYPE, m * out);
        NativeArray again = NativeArray.empty(TYPE, m * out)) {
      long b = transposed ? 0 : bias.address();
      RowwiseInt8Kernel.denseProduct(
          w.address(), absmax.address(), transposed, x.address(), b, y.address(), m, n, k, 1);
      RowwiseInt8Kernel.denseProduct(
          w.address(), absmax.address(), transposed, x.address(), b, again.address(), m, n, k, 3);
      assertArrayEquals(y.toBits(), again.toBits(), "depends on threads");
      float[] weights = new float[n * k];
      for (int i = 0; i < weights.length; i++) {
        weights[i] = Bf16.round(TYPE, codes[i] * scales[i / k] * (float) 7.874015718698502e-3);
      }
      for (int i = 0; i < m * out; i++) {
        double sum = transposed ? 0 : biases[i % out];
        double magnitude = Math.abs(sum);
        for (int j = 0; j < in; j++) {
          int at = transposed ? j * k + i % out : i % out * k + j;
          double term = (double) xs[i / out * in + j] * weights[at];
          sum += term;
          magnitude += Math.abs(term);
        }
        double tolerance = 1e-6 * magnitude + Bf16.epsilon(TYPE) * Math.abs(sum);
        assertClose(sum, y.get(i), tolerance, m + "x" + n + "x" + k + " at " + i);
      }
    }
  }

  @Test
  void saysWhatItNeeds() {
    List<KernelIsa> all = NativeKernels.supportedIsas();
    NativeKernels.useIsa(all.get(all.size() - 1));
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () -> RowwiseInt8Kernel.denseProduct(8, 8, false, 8, 0, 8, 1, 4, 40, 1))
            .getMessage();
    assertTrue(message.endsWith("40 columns. Check coversDense(k)."), message);
  }
}
