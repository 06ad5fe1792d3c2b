package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Values and gradients against the composition of operators in float64. */
@Tag("portable")
@ExtendWith(LedgerCheck.class)
class FusedOpsTest {
  private static final double EPS = 1e-2;

  @ParameterizedTest
  @CsvSource({
    // type of x, of the weight, rows, width
    "FLOAT32, FLOAT32, 5, 48",
    "FLOAT32, FLOAT32, 300, 129",
    "FLOAT32, FLOAT32, 1, 1",
    "BFLOAT16, BFLOAT16, 5, 48",
    "BFLOAT16, FLOAT32, 3, 33",
    "FLOAT64, FLOAT64, 5, 48",
  })
  void rmsNormEqualsItsFormula(DType x, DType weight, int rows, int width) {
    try (TensorScope scope = TensorScope.open("test")) {
      List<Tensor> in = List.of(random(x, rows, width), random(weight, width));
      compare(
          in, t -> FusedOps.rmsNorm(t.get(0), t.get(1), EPS), t -> normed(t.get(0)).mul(t.get(1)));
      compare(
          in,
          t -> FusedOps.rmsNormAroundOne(t.get(0), t.get(1), EPS),
          t -> normed(t.get(0)).mul(t.get(1).add(1)));
    }
  }

  @ParameterizedTest
  @CsvSource({"FLOAT32, 5, 48", "FLOAT32, 300, 129", "BFLOAT16, 7, 31", "FLOAT64, 5, 48"})
  void siluProductEqualsItsFormula(DType type, int rows, int width) {
    try (TensorScope scope = TensorScope.open("test")) {
      List<Tensor> in = List.of(random(type, rows, width).mul(3), random(type, rows, width));
      compare(
          in, t -> FusedOps.siluProduct(t.get(0), t.get(1)), t -> Ops.silu(t.get(0)).mul(t.get(1)));
    }
  }

  @ParameterizedTest
  @CsvSource({"FLOAT32, none", "FLOAT32, tanh", "BFLOAT16, tanh", "FLOAT64, none"})
  void geluProductEqualsItsFormula(DType type, String approximate) {
    try (TensorScope scope = TensorScope.open("test")) {
      List<Tensor> in = List.of(random(type, 7, 31).mul(3), random(type, 7, 31));
      compare(
          in,
          t -> FusedOps.geluProduct(t.get(0), t.get(1), approximate),
          t -> Ops.gelu(t.get(0), approximate).mul(t.get(1)));
    }
  }

  @Test
  void siluProductAtTheEnds() {
    try (TensorScope scope = TensorScope.open("test")) {
      float[] gates = {0, -0f, 200, -200, 88, -88, Float.NaN, 1e-30f, Float.POSITIVE_INFINITY};
      float[] ones = {1, 1, 1, 1, 1, 1, 1, 1, 1};
      float[] values =
          FusedOps.siluProduct(
                  Creation.ofFloats(gates, gates.length), Creation.ofFloats(ones, ones.length))
              .toFloats();
      float[] expected = {0, 0, 200, 0, 88, 0, Float.NaN, 0, Float.POSITIVE_INFINITY};
      assertArrayEquals(expected, values, 1e-6f);
    }
  }

  @Test
  void aWeightOfAnotherWidthIsRefused() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = random(DType.FLOAT32, 3, 8);
      Tensor weight = random(DType.FLOAT32, 7);
      TorchException e = assertThrows(TorchException.class, () -> FusedOps.rmsNorm(x, weight, EPS));
      assertTrue(e.getMessage().contains("[7]"), e.getMessage());
    }
  }

  private static Tensor normed(Tensor x) {
    Tensor mean = x.pow(2).sum(1).div(x.size(1)).unsqueeze(1);
    return x.div(mean.add(EPS).sqrt());
  }

  private static Tensor random(DType type, long... sizes) {
    return Creation.randn(DType.FLOAT32, sizes).to(type);
  }

  private static void compare(
      List<Tensor> in,
      Function<List<Tensor>, Tensor> function,
      Function<List<Tensor>, Tensor> formula) {
    Tensor weights = random(DType.FLOAT64, in.get(0).shape().toArray());
    List<Tensor> actual = results(in.stream().map(Tensor::detach).toList(), function, weights);
    List<Tensor> expected =
        results(
            in.stream().map(t -> t.detach().to(DType.FLOAT64).copy()).toList(), formula, weights);
    double tolerance =
        in.get(0).dtype() == DType.FLOAT64
            ? 1e-12
            : in.get(0).dtype() == DType.FLOAT32 ? 2e-6 : 2e-2;
    for (int i = 0; i < expected.size(); i++) {
      Tensor difference = actual.get(i).to(DType.FLOAT64).sub(expected.get(i)).abs();
      double size = expected.get(i).abs().max().toDouble();
      double most = difference.max().toDouble();
      assertTrue(most <= tolerance * Math.max(1, size), "result " + i + ": off by " + most);
    }
    Tensor plain;
    try (GradMode off = GradMode.noGrad()) {
      plain = function.apply(in);
    }
    assertArrayEquals(actual.get(0).detach().toFloats(), plain.toFloats());
  }

  private static List<Tensor> results(
      List<Tensor> in, Function<List<Tensor>, Tensor> function, Tensor weights) {
    in.forEach(t -> t.requiresGrad(true));
    try (TensorScope scope = TensorScope.openGraph("results")) {
      Tensor value = function.apply(in);
      value.to(DType.FLOAT64).mul(weights).sum().backward();
      List<Tensor> all = new ArrayList<>(List.of(scope.keep(value.detach().copy())));
      in.forEach(t -> all.add(scope.keep(t.grad().orElseThrow().copy())));
      return all;
    }
  }
}
