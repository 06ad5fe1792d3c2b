package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.peftjava.torch.kernels.NativeKernels;

/** {@code y + s * (drop(x) A^T) B^T} against the composition of operators in float64. */
@Tag("portable")
@ExtendWith(LedgerCheck.class)
class LowRankUpdateTest {
  private static final double SCALING = 2.5;
  private static final long SEED = 41;

  @ParameterizedTest
  @CsvSource({
    // type of y, of x, of A and B, rows
    "FLOAT32, FLOAT32, FLOAT32, 6",
    "FLOAT32, FLOAT32, FLOAT32, 1",
    "BFLOAT16, BFLOAT16, FLOAT32, 6",
    "BFLOAT16, BFLOAT16, FLOAT32, 1",
    "FLOAT32, BFLOAT16, FLOAT32, 6",
    "BFLOAT16, FLOAT32, FLOAT32, 6",
    "BFLOAT16, BFLOAT16, BFLOAT16, 6",
    "FLOAT64, FLOAT64, FLOAT64, 6",
    "FLOAT32, FLOAT32, FLOAT32, 300",
  })
  void equalsItsFormula(DType y, DType x, DType adapter, int rows) {
    try (TensorScope scope = TensorScope.open("test")) {
      for (boolean gradientOfX : new boolean[] {true, false}) {
        Tensor[] in = inputs(y, x, adapter, rows, 1);
        in[1].requiresGrad(gradientOfX);
        compare(in, 0, LowRankUpdateTest::fresh, LowRankUpdateTest::asIs);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"FLOAT32, FLOAT32", "BFLOAT16, BFLOAT16", "FLOAT32, BFLOAT16"})
  void dropsTheInputOfTheUpdateOnly(DType y, DType x) {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor[] in = inputs(y, x, DType.FLOAT32, 4, 3);
      compare(in, 0.4, LowRankUpdateTest::fresh, LowRankUpdateTest::asIs);
    }
  }

  @ParameterizedTest
  @CsvSource({"FLOAT32", "BFLOAT16"})
  void takesTensorsWithGaps(DType type) {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor[] in = inputs(type, type, DType.FLOAT32, 4, 3);
      Function<Tensor, Tensor> gaps = t -> t.transpose(0, 1);
      compare(in, 0, t -> fresh(t).transpose(0, 1), gaps);
      compare(in, 0, t -> fresh(t.transpose(0, 1).contiguous()), gaps);
      compare(in, 0, t -> fresh(t).transpose(0, 1), t -> t.transpose(0, 1).contiguous());
    }
  }

  @ParameterizedTest
  @CsvSource({"FLOAT32, 0", "BFLOAT16, 0", "FLOAT32, 0.5"})
  void takesNoRows(DType type, double dropout) {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor[] in = inputs(type, type, DType.FLOAT32, 0, 2);
      Differentiated run = Differentiated.run(update(dropout, t -> fresh(t), t -> t), in);
      assertEquals(Shape.of(2, 0, 5), run.shape());
      Values.assertClose(new float[9], run.gradients().get(2), 0, "gradient of A");
    }
  }

  @Test
  void givesTheSameWithoutGradients() {
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Tensor[] in = inputs(DType.FLOAT32, DType.FLOAT32, DType.FLOAT32, 2, 1);
      float[] expected = composed(0, t -> t, t -> t).apply(List.of(in)).toFloats();
      Tensor y = in[0].copy();
      Tensor updated = LowRankUpdate.add(y, in[1], in[2], in[3], SCALING, 0);
      Values.assertClose(expected, updated.toFloats(), 2e-5, "value");
    }
  }

  @ParameterizedTest
  @CsvSource({"FLOAT32, FLOAT32", "BFLOAT16, BFLOAT16", "FLOAT32, BFLOAT16"})
  void changesRunsOfRowsAsOneAfterTheOther(DType y, DType x) {
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Tensor[] in = inputs(y, x, DType.FLOAT32, 4, 3);
      Tensor b = Values.normal(15, DType.FLOAT32, 5, 3);
      Tensor changed = in[0].copy();
      List<LowRankUpdate.Run> runs =
          List.of(
              new LowRankUpdate.Run(1, 2, new LowRankUpdate.Matrices(in[2], in[3], SCALING)),
              new LowRankUpdate.Run(4, 7, new LowRankUpdate.Matrices(in[2], b, -0.5)));
      boolean taken = LowRankUpdate.addRuns(changed, in[1], runs);
      assertEquals(NativeKernels.available(), taken);
      if (!taken) {
        assertArrayEquals(in[0].toFloats(), changed.toFloats());
        return;
      }
      Tensor expected = in[0].reshape(12, 5).copy();
      for (LowRankUpdate.Run run : runs) {
        LowRankUpdate.Matrices with = run.matrices();
        LowRankUpdate.add(
            expected.narrow(0, run.first(), run.rows()),
            in[1].reshape(12, 3).narrow(0, run.first(), run.rows()),
            with.a(),
            with.b(),
            with.scaling(),
            0);
      }
      Values.assertClose(
          expected.toFloats(), changed.toFloats(), Values.tolerance(y), "changed rows");
    }
  }

  @Test
  void leavesRunsToOthersWhereItCannot() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor[] in = inputs(DType.FLOAT32, DType.FLOAT32, DType.FLOAT32, 2, 1);
      Tensor y = in[0].detach().copy();
      List<LowRankUpdate.Run> runs =
          List.of(new LowRankUpdate.Run(0, 1, new LowRankUpdate.Matrices(in[2], in[3], SCALING)));
      assertFalse(LowRankUpdate.addRuns(y, in[1], runs), "a gradient is recorded");
      try (GradMode off = GradMode.noGrad()) {
        Tensor half = in[2].to(DType.BFLOAT16);
        List<LowRankUpdate.Run> halves =
            List.of(new LowRankUpdate.Run(0, 1, new LowRankUpdate.Matrices(half, in[3], SCALING)));
        assertFalse(LowRankUpdate.addRuns(y, in[1], halves), "of another type");
      }
      Values.assertClose(in[0].toFloats(), y.toFloats(), 0, "y as it was");
    }
  }

  @Test
  void aFrozenAGetsNoGradient() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor[] in = inputs(DType.FLOAT32, DType.FLOAT32, DType.FLOAT32, 4, 2);
      in[2].requiresGrad(false);
      compare(in, 0.4, LowRankUpdateTest::fresh, LowRankUpdateTest::asIs);
    }
  }

  /** Quantized layers give such results. */
  @Test
  void changesWhatAnotherCustomGradientMadeOfAView() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor[] in = inputs(DType.FLOAT32, DType.FLOAT32, DType.FLOAT32, 4, 2);
      compare(in, 0, LowRankUpdateTest::viewWithGradient, LowRankUpdateTest::asIs);
    }
  }

  private static Tensor viewWithGradient(Tensor y) {
    Tensor value;
    try (GradMode off = GradMode.noGrad()) {
      value = y.mul(1.5).reshape(-1).reshape(y.shape().toArray());
    }
    return CustomGradient.of(value, List.of(y), List.of(), (g, saved) -> List.of(g.mul(1.5)));
  }

  @Test
  void shapesThatDoNotFitAreErrors() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor[] in = inputs(DType.FLOAT32, DType.FLOAT32, DType.FLOAT32, 2, 1);
      Tensor y = in[0].mul(2);
      for (Tensor[] bad :
          List.of(
              new Tensor[] {y, in[1], in[3], in[2]},
              new Tensor[] {y, in[1].narrow(1, 0, 2).contiguous(), in[2], in[3]},
              new Tensor[] {y, in[1], in[2], in[2]},
              new Tensor[] {y.narrow(0, 0, 1), in[1], in[2], in[3]},
              new Tensor[] {y.narrow(1, 0, 3).contiguous(), in[1], in[2], in[3]})) {
        TorchException.ShapeMismatch e =
            assertThrows(
                TorchException.ShapeMismatch.class,
                () -> LowRankUpdate.add(bad[0], bad[1], bad[2], bad[3], SCALING, 0));
        assertTrue(e.getMessage().startsWith("An update of y "), e.getMessage());
      }
    }
  }

  private static void compare(
      Tensor[] in,
      double dropout,
      Function<Tensor, Tensor> viewOfY,
      Function<Tensor, Tensor> viewOfX) {
    DType coarsest = in[0].dtype() == DType.FLOAT64 ? DType.FLOAT32 : in[0].dtype();
    coarsest = in[1].dtype() == DType.BFLOAT16 ? DType.BFLOAT16 : coarsest;
    Randomness.manualSeed(SEED);
    Differentiated expected = Differentiated.runInDouble(composed(dropout, viewOfY, viewOfX), in);
    Randomness.manualSeed(SEED);
    Differentiated actual = Differentiated.run(update(dropout, viewOfY, viewOfX), in);
    assertEquals(in[0].dtype(), actual.type());
    expected.assertGives(actual, Values.tolerance(coarsest) * 2);
  }

  private static Function<List<Tensor>, Tensor> update(
      double dropout, Function<Tensor, Tensor> viewOfY, Function<Tensor, Tensor> viewOfX) {
    return in ->
        LowRankUpdate.add(
            viewOfY.apply(in.get(0)),
            viewOfX.apply(in.get(1)),
            in.get(2),
            in.get(3),
            SCALING,
            dropout);
  }

  private static Function<List<Tensor>, Tensor> composed(
      double dropout, Function<Tensor, Tensor> viewOfY, Function<Tensor, Tensor> viewOfX) {
    return in -> {
      Tensor x = viewOfX.apply(in.get(1));
      Tensor ones = Creation.ones(DType.FLOAT32, x.shape().toArray());
      Tensor mask = Dropouts.dropout(ones, dropout).to(x.dtype());
      Tensor low = x.mul(mask).matmul(in.get(2).t());
      return viewOfY.apply(in.get(0)).add(low.matmul(in.get(3).t()).mul(SCALING));
    };
  }

  /**
   * y (batch, rows, 5), x (batch, rows, 3), A (3, 3), B (5, 3); without a batch one dimension less.
   */
  private static Tensor[] inputs(DType y, DType x, DType adapter, int rows, int batch) {
    long[] ySizes = batch == 1 ? new long[] {rows, 5} : new long[] {batch, rows, 5};
    long[] xSizes = batch == 1 ? new long[] {rows, 3} : new long[] {batch, rows, 3};
    return new Tensor[] {
      Values.normal(11, y, ySizes).requiresGrad(true),
      Values.normal(12, x, xSizes).requiresGrad(true),
      Values.normal(13, adapter, 3, 3).requiresGrad(true),
      Values.normal(14, adapter, 5, 3).requiresGrad(true)
    };
  }

  /** A result that nobody else uses. */
  private static Tensor fresh(Tensor y) {
    return y.mul(1.5);
  }

  private static Tensor asIs(Tensor x) {
    return x;
  }
}
