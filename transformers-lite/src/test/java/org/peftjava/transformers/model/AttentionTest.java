package org.peftjava.transformers.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.params.provider.Arguments.arguments;
import static org.peftjava.transformers.Goldens.assertClose;

import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/** The fused kernels against the formula that a trace makes visible. */
class AttentionTest {
  private static final double SCALE = 0.3;

  static Stream<Arguments> shapes() {
    return Stream.of(
        arguments(4, 4, 5, 5), arguments(6, 2, 5, 5), arguments(6, 2, 1, 7), arguments(4, 1, 3, 8));
  }

  @ParameterizedTest
  @MethodSource("shapes")
  void kernelsAgreeWithTheFormula(int heads, int served, int tokens, int total) {
    try (TensorScope scope = TensorScope.open("test");
        LayerTrace trace = new LayerTrace(false, true)) {
      Tensor query = random(2, heads, tokens, 8);
      Tensor key = random(2, served, total, 8);
      Tensor value = random(2, served, total, 8);
      Tensor padding = Creation.ofLongs(new long[][] {row(total, 2), row(total, 0)});
      for (Tensor mask : new Tensor[] {padding, null}) {
        AttentionMask allowed =
            AttentionMask.causal(mask, tokens, total - tokens, DType.FLOAT32, Device.CPU);
        Tensor fused = Attention.of(query, key, value, allowed, 0, SCALE, null);
        Tensor explicit = Attention.of(query, key, value, allowed, 0, SCALE, trace);
        // rows of padding attend to nothing: their values mean nothing
        int first = mask == null || tokens == 1 ? 0 : Math.max(0, 2 - (total - tokens));
        assertClose(
            explicit.narrow(2, first, tokens - first),
            fused.narrow(2, first, tokens - first),
            1e-5);
      }
      for (Tensor weights : trace.takeAttentions()) {
        assertEquals(
            "[2, " + heads + ", " + tokens + ", " + total + "]", weights.shape().toString());
        assertClose(
            Creation.ofFloats(new float[] {1, 1}, 2),
            weights.narrow(2, tokens - 1, 1).sum(1, 2, 3).div(heads),
            1e-5);
      }
    }
  }

  private static long[] row(int length, int padded) {
    long[] row = new long[length];
    for (int i = padded; i < length; i++) {
      row[i] = 1;
    }
    return row;
  }

  private static Tensor random(long... shape) {
    return Creation.zeros(DType.FLOAT32, Device.CPU, shape).normalInPlace(0, 1);
  }
}
