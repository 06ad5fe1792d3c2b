package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.torch.kernels.DropoutKernel;
import org.peftjava.torch.kernels.ElementType;
import org.peftjava.torch.kernels.KernelIsa;
import org.peftjava.torch.kernels.NativeKernels;

/** Attention by the native kernel against the formula in float64, on every instruction set. */
@ExtendWith(LedgerCheck.class)
@Tag("native-kernels")
class FusedAttentionTest {
  private static final int BATCH = 2;
  private static final double SCALE = 0.3;
  private static final double CAP = 0.7;

  /** Sizes, and what is hidden. */
  record Case(
      DType type, int heads, int served, int queries, int keys, int size, String mask, double cap) {
    @Override
    public String toString() {
      return "%s h%d/%d t%d s%d d%d %s cap %s"
          .formatted(type, heads, served, queries, keys, size, mask, cap);
    }
  }

  static Stream<Arguments> cases() {
    DType wide = DType.FLOAT32;
    DType half = DType.BFLOAT16;
    List<Case> cases =
        List.of(
            new Case(wide, 4, 4, 7, 7, 8, "causal", 0),
            new Case(wide, 4, 2, 7, 7, 20, "causal", CAP),
            new Case(wide, 6, 1, 3, 9, 8, "none", 0),
            new Case(wide, 4, 2, 50, 70, 64, "addend", 0),
            new Case(wide, 2, 2, 100, 100, 16, "causal", 0),
            new Case(wide, 2, 1, 100, 65, 33, "shared", CAP),
            new Case(wide, 2, 2, 49, 130, 12, "padding", 0),
            new Case(wide, 2, 1, 1, 33, 64, "padding", 0),
            new Case(wide, 6, 3, 1, 129, 7, "none", CAP),
            new Case(half, 4, 4, 7, 7, 8, "causal", 0),
            new Case(half, 4, 2, 60, 70, 64, "addend", 0),
            new Case(half, 6, 3, 1, 40, 32, "padding", 0));
    return NativeKernels.supportedIsas().stream()
        .flatMap(isa -> cases.stream().map(each -> Arguments.of(isa, each)));
  }

  @AfterEach
  void useTheFastest() {
    List<KernelIsa> all = NativeKernels.supportedIsas();
    NativeKernels.useIsa(all.get(all.size() - 1));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void valuesAndGradientsAreThoseOfTheFormula(KernelIsa isa, Case it) {
    NativeKernels.useIsa(isa);
    compare(it, 0);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void droppedWeightsAreThoseOfTheSeed(KernelIsa isa, Case it) {
    NativeKernels.useIsa(isa);
    compare(it, 0.3);
  }

  private static void compare(Case it, double dropout) {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor q = heads(1, it, it.heads, it.queries);
      Tensor k = heads(2, it, it.served, it.keys);
      Tensor v = heads(3, it, it.served, it.keys);
      Tensor mask = mask(it);
      boolean causal = it.mask.equals("causal");
      Tensor kept = kept(it, dropout);
      Differentiated expected =
          Differentiated.runInDouble(
              in -> formula(in.get(0), in.get(1), in.get(2), mask, kept, it), q, k, v);
      assertTrue(FusedAttention.covers(q, k, v, mask));
      Randomness.manualSeed(11);
      Differentiated actual =
          Differentiated.run(
              in ->
                  FusedAttention.of(
                      in.get(0), in.get(1), in.get(2), mask, dropout, causal, SCALE, it.cap),
              q,
              k,
              v);
      double tolerance = Values.tolerance(it.type);
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
  void aRowThatSeesNothingIsZeroAndMovesNothing() {
    try (TensorScope scope = TensorScope.openGraph("test")) {
      Case it = new Case(DType.FLOAT32, 2, 2, 10, 12, 16, "none", 0);
      Tensor q = heads(1, it, 2, 10);
      Tensor k = heads(2, it, 2, 12);
      Tensor v = heads(3, it, 2, 12);
      Tensor nothing = Creation.full(DType.FLOAT32, Double.NEGATIVE_INFINITY, 10, 12);
      Tensor value = FusedAttention.of(q, k, v, nothing, 0, false, SCALE, 0);
      value.sum().backward();
      assertArrayEquals(new float[2 * 2 * 10 * 16], value.contiguous().toFloats());
      for (Tensor input : List.of(q, k, v)) {
        float[] gradient = input.grad().orElseThrow().contiguous().toFloats();
        assertArrayEquals(new float[gradient.length], gradient);
      }
    }
  }

  @Test
  void aNumberThatIsNoneStaysVisible() {
    try (TensorScope scope = TensorScope.open("test")) {
      Case it = new Case(DType.FLOAT32, 1, 1, 9, 9, 8, "none", 0);
      Tensor q = heads(1, it, 1, 9).detach();
      Tensor value = FusedAttention.of(q.mul(Double.NaN), q, q, null, 0, false, SCALE, 0);
      assertTrue(Float.isNaN(value.contiguous().toFloats()[0]));
    }
  }

  @Test
  void whatNeedsAGradientOrHasOtherSizesIsLeftToOthers() {
    try (TensorScope scope = TensorScope.open("test")) {
      Case it = new Case(DType.FLOAT32, 4, 2, 5, 6, 8, "none", 0);
      Tensor q = heads(1, it, 4, 5);
      Tensor k = heads(2, it, 2, 6);
      Tensor bias = Values.normal(4, DType.FLOAT32, 4, 5, 6);
      assertTrue(FusedAttention.covers(q, k, k, bias));
      assertFalse(FusedAttention.covers(q, k, k, bias.requiresGrad(true)));
      assertFalse(FusedAttention.covers(q, k, k, Values.normal(4, DType.FLOAT32, 3, 5, 6)));
      assertFalse(FusedAttention.covers(q, k, k.narrow(2, 0, 5), null));
      assertFalse(FusedAttention.covers(q, k.to(DType.BFLOAT16), k, null));
      assertFalse(FusedAttention.covers(q.narrow(1, 0, 3), k, k, null));
    }
  }

  @Test
  void theHeadsOfATokenLieTogether() {
    try (TensorScope scope = TensorScope.open("test")) {
      Case it = new Case(DType.FLOAT32, 4, 2, 5, 6, 8, "none", 0);
      Tensor q = heads(1, it, 4, 5).detach();
      Tensor k = heads(2, it, 2, 6).detach();
      Tensor value = FusedAttention.of(q, k, k, null, 0, false, SCALE, 0);
      assertEquals(Shape.of(BATCH, 4, 5, 8), value.shape());
      assertTrue(value.transpose(1, 2).isContiguous());
    }
  }

  private static Tensor heads(long seed, Case it, long heads, long tokens) {
    return Values.normal(seed, it.type, BATCH, heads, tokens, it.size).requiresGrad(true);
  }

  private static @Nullable Tensor mask(Case it) {
    return switch (it.mask) {
      case "addend" -> Values.normal(4, it.type, BATCH, it.heads, it.queries, it.keys);
      case "shared" -> Values.normal(4, it.type, it.queries, it.keys);
      case "padding" -> {
        float[] numbers = new float[BATCH * it.keys];
        Arrays.fill(numbers, it.keys + 1, it.keys + 4, Float.NEGATIVE_INFINITY);
        yield Creation.ofFloats(numbers, BATCH, 1, 1, it.keys).to(it.type);
      }
      default -> null;
    };
  }

  /** What each weight is multiplied with: rows of the mask begin at multiples of 64. */
  private static Tensor kept(Case it, double p) {
    long rows = (long) BATCH * it.heads * it.queries;
    long width = (it.keys + 63L) / 64 * 64;
    Tensor all = Creation.ones(DType.FLOAT32, rows, width);
    Randomness.manualSeed(11);
    long seed = Randomness.nextMaskSeed();
    DropoutKernel.forward(
        ElementType.FLOAT32,
        all.address(),
        ElementType.FLOAT32,
        all.address(),
        rows * width,
        p,
        seed,
        0,
        1);
    return all.narrow(1, 0, it.keys).reshape(BATCH, it.heads, it.queries, it.keys);
  }

  private static Tensor formula(
      Tensor q, Tensor k, Tensor v, @Nullable Tensor mask, Tensor kept, Case it) {
    long groups = q.size(1) / k.size(1);
    Tensor scores = q.matmul(Ops.repeatHeads(k, groups).transpose(2, 3)).mul(SCALE);
    if (it.cap != 0) {
      scores = Ops.tanh(scores.div(it.cap)).mul(it.cap);
    }
    if (mask != null) {
      scores = scores.add(mask.to(scores.dtype()));
    }
    if (it.mask.equals("causal")) {
      Tensor rows = Creation.arange(0, it.queries, Device.CPU).reshape(it.queries, 1);
      Tensor columns = Creation.arange(0, it.keys, Device.CPU).reshape(1, it.keys);
      scores = scores.maskedFill(rows.lt(columns), Double.NEGATIVE_INFINITY);
    }
    Tensor weights = Ops.softmax(scores, -1).mul(kept.to(scores.dtype()));
    return weights.matmul(Ops.repeatHeads(v, groups));
  }
}
