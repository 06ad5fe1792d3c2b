package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Attention with its own gradient against the formula in float64, and against libtorch's. */
@ExtendWith(LedgerCheck.class)
class FlashAttentionTest {
  private static final int BATCH = 2;
  private static final int TOKENS = 7;
  private static final int SIZE = 8;
  private static final double SCALE = 0.3;

  @ParameterizedTest
  @CsvSource({
    // type, heads, heads of keys, tokens that are asked, mask
    "FLOAT32, 4, 4, 7, causal",
    "FLOAT32, 4, 2, 7, causal",
    "FLOAT32, 6, 1, 9, none",
    "FLOAT32, 4, 2, 9, addend",
    "FLOAT32, 4, 4, 9, shared",
    "BFLOAT16, 4, 4, 7, causal",
    "BFLOAT16, 4, 2, 9, addend",
    "BFLOAT16, 6, 3, 9, none",
  })
  void valuesAndGradientsAreThoseOfTheFormula(
      DType type, int heads, int served, int asked, String kind) {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor q = heads(1, type, heads, TOKENS);
      Tensor k = heads(2, type, served, asked);
      Tensor v = heads(3, type, served, asked);
      Tensor mask = mask(kind, type, heads, asked);
      boolean causal = kind.equals("causal");
      Differentiated expected =
          Differentiated.runInDouble(
              in -> formula(in.get(0), in.get(1), in.get(2), mask, causal), q, k, v);
      Differentiated actual =
          Differentiated.run(
              in -> FlashAttention.of(in.get(0), in.get(1), in.get(2), mask, causal, SCALE),
              q,
              k,
              v);
      assertEquals(type, actual.type());
      double tolerance = Values.tolerance(type);
      Values.assertClose(expected.value(), actual.value(), tolerance, "value");
      for (int i = 0; i < 3; i++) {
        float[] wanted = expected.gradients().get(i);
        float[] given = actual.gradients().get(i);
        assertNotNull(wanted);
        assertNotNull(given);
        Values.assertClose(wanted, given, tolerance, "gradient " + i);
      }
    }
  }

  @Test
  void theBitsAreThoseOfLibtorchsOwnGradient() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor q = heads(1, DType.FLOAT32, 4, TOKENS);
      Tensor k = heads(2, DType.FLOAT32, 4, TOKENS);
      Tensor v = heads(3, DType.FLOAT32, 4, TOKENS);
      Differentiated own =
          Differentiated.run(
              in -> FlashAttention.of(in.get(0), in.get(1), in.get(2), null, true, SCALE).mul(1),
              q,
              k,
              v);
      Differentiated libtorch =
          Differentiated.run(
              in -> Ops.attend(in.get(0), in.get(1), in.get(2), null, 0, true, SCALE).mul(1),
              q,
              k,
              v);
      assertArrayEquals(libtorch.value(), own.value());
      for (int i = 0; i < 3; i++) {
        assertArrayEquals(libtorch.gradients().get(i), own.gradients().get(i));
      }
    }
  }

  @Test
  void onlyWhatNeedsAGradientGetsOne() {
    try (TensorScope scope = TensorScope.openGraph("test")) {
      Tensor q = heads(1, DType.FLOAT32, 2, TOKENS).detach();
      Tensor k = heads(2, DType.FLOAT32, 2, TOKENS);
      Tensor v = heads(3, DType.FLOAT32, 2, TOKENS).detach();
      Tensor value = FlashAttention.of(q, k, v, null, true, null);
      value.sum().backward();
      assertEquals(k.shape(), k.grad().orElseThrow().shape());
      assertEquals(true, q.grad().isEmpty() && v.grad().isEmpty());
    }
  }

  private static Tensor heads(long seed, DType type, long heads, long tokens) {
    return Values.normal(seed, type, BATCH, heads, tokens, SIZE).requiresGrad(true);
  }

  private static @Nullable Tensor mask(String kind, DType type, long heads, long asked) {
    return switch (kind) {
      case "addend" -> Values.normal(4, type, BATCH, heads, TOKENS, asked);
      case "shared" -> Values.normal(4, type, TOKENS, asked);
      default -> null;
    };
  }

  private static Tensor formula(
      Tensor q, Tensor k, Tensor v, @Nullable Tensor mask, boolean causal) {
    long groups = q.size(1) / k.size(1);
    Tensor scores = q.matmul(Ops.repeatHeads(k, groups).transpose(2, 3)).mul(SCALE);
    if (mask != null) {
      scores = scores.add(mask.to(scores.dtype()));
    }
    if (causal) {
      Tensor rows = Creation.arange(0, TOKENS, Device.CPU).reshape(TOKENS, 1);
      Tensor columns = Creation.arange(0, TOKENS, Device.CPU).reshape(1, TOKENS);
      scores = scores.maskedFill(rows.lt(columns), Double.NEGATIVE_INFINITY);
    }
    return Ops.softmax(scores, -1).matmul(Ops.repeatHeads(v, groups));
  }
}
