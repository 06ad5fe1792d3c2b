package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.function.DoubleUnaryOperator;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Operators against their formulas in double precision. */
@ExtendWith(LedgerCheck.class)
class OpsTest {
  private static final float[] X = {-3.5f, -0.25f, 0.5f, 1.75f, 4, -1};

  @Test
  void activations() {
    check(Ops::relu, x -> Math.max(x, 0));
    check(Ops::silu, x -> x / (1 + Math.exp(-x)));
    check(Ops::tanh, Math::tanh);
    check(
        x -> Ops.gelu(x, "tanh"),
        x -> x / 2 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x))));
    check(x -> Ops.gelu(x, "none"), x -> x * normalBelow(x));
    try (TensorScope scope = TensorScope.open("test")) {
      assertThrows(TorchException.class, () -> Ops.gelu(x(), "exact"));
    }
  }

  @Test
  void softmaxes() {
    try (TensorScope scope = TensorScope.open("test")) {
      float[] softmax = Ops.softmax(x(), 1).toFloats();
      float[] log = Ops.logSoftmax(x().to(DType.BFLOAT16), 1, DType.FLOAT32).toFloats();
      for (int i = 0; i < X.length; i++) {
        int row = i / 3 * 3;
        double sum = Math.exp(X[row]) + Math.exp(X[row + 1]) + Math.exp(X[row + 2]);
        assertEquals(Math.exp(X[i]) / sum, softmax[i], 1e-6);
        assertEquals(X[i] - Math.log(sum), log[i], 1e-5);
      }
    }
  }

  @Test
  void angles() {
    check(Ops::sin, Math::sin);
    check(Ops::cos, Math::cos);
    check(x -> Ops.pow(3, x), x -> Math.pow(3, x));
  }

  @Test
  void rollsTheLastDimension() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = Creation.ofFloats(X, 2, 3);
      assertArrayEquals(new float[] {0.5f, -3.5f, -0.25f, -1, 1.75f, 4}, Ops.roll(x, 1).toFloats());
    }
  }

  @Test
  void rmsNorm() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor weight = Creation.ofFloats(new float[] {2, -1, 0.5f}, 3);
      float[] plain = Ops.rmsNorm(x(), null, 0.5).toFloats();
      float[] scaled = Ops.rmsNorm(x(), weight, 0.5).toFloats();
      for (int i = 0; i < X.length; i++) {
        int row = i / 3 * 3;
        double squares = X[row] * X[row] + X[row + 1] * X[row + 1] + X[row + 2] * X[row + 2];
        double expected = X[i] / Math.sqrt(squares / 3 + 0.5);
        assertEquals(expected, plain[i], 1e-6);
        assertEquals(expected * weight.toFloats()[i % 3], scaled[i], 1e-6);
      }
    }
  }

  @Test
  void layerNorm() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor weight = Creation.ofFloats(new float[] {2, -1, 0.5f}, 3);
      Tensor bias = Creation.ofFloats(new float[] {0.25f, 3, -7}, 3);
      Values.assertClose(
          normalised(0.1, weight.toFloats(), bias.toFloats()),
          Ops.layerNorm(x(), weight, bias, 0.1).toFloats(),
          1e-5,
          "affine");
      Values.assertClose(
          normalised(0.1, new float[] {1, 1, 1}, new float[3]),
          Ops.layerNorm(x(), null, null, 0.1).toFloats(),
          1e-5,
          "plain");
    }
  }

  @Test
  void attention() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor q = Values.normal(1, DType.FLOAT32, 1, 2, 3, 4);
      Tensor k = Values.normal(2, DType.FLOAT32, 1, 2, 3, 4);
      Tensor v = Values.normal(3, DType.FLOAT32, 1, 2, 3, 4);
      Tensor causal = Creation.ofLongs(new long[] {0, 1, 1, 0, 0, 1, 0, 0, 0}, 3, 3).ne(0);
      for (Double scale : new Double[] {null, 0.3}) {
        Tensor products = q.matmul(k.transpose(2, 3)).mul(scale == null ? 0.5 : scale);
        Tensor masked = products.maskedFill(causal, Double.NEGATIVE_INFINITY);
        Tensor all = Ops.softmax(products, 3).matmul(v);
        Tensor past = Ops.softmax(masked, 3).matmul(v);
        close(all, Ops.scaledDotProductAttention(q, k, v, null, 0, false, scale));
        close(past, Ops.scaledDotProductAttention(q, k, v, null, 0, true, scale));
        close(past, Ops.scaledDotProductAttention(q, k, v, causal.not(), 0, false, scale));
        Tensor addend = Creation.zeros(DType.FLOAT32, 3, 3).maskedFill(causal, -1e30);
        close(past, Ops.scaledDotProductAttention(q, k, v, addend, 0, false, scale));
      }
      assertThrows(
          TorchException.class,
          () -> Ops.scaledDotProductAttention(q, k.narrow(3, 0, 2), v, null, 0, false, null));
    }
  }

  @Test
  void picking() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor ids = Creation.ofLongs(new long[] {1, 0, 1}, 3);
      assertArrayEquals(
          new float[] {1.75f, 4, -1, -3.5f, -0.25f, 0.5f, 1.75f, 4, -1},
          Ops.embedding(x(), ids).toFloats());
      assertEquals(Shape.of(0, 3), Ops.embedding(x(), ids.narrow(0, 0, 0)).shape());
      Ops.Ranked top = Ops.topK(x(), 2);
      assertArrayEquals(new float[] {0.5f, -0.25f, 4, 1.75f}, top.values().toFloats());
      assertArrayEquals(new long[] {2, 1, 1, 0}, top.indices().toLongs());
      assertArrayEquals(
          new float[] {-3.5f, -0.25f, 0.5f, -1, 1.75f, 4},
          Ops.sort(x(), false).values().toFloats());
      assertArrayEquals(new long[] {2, 1, 0, 1, 0, 2}, Ops.sort(x(), true).indices().toLongs());
      Tensor where = Ops.where(x().gt(0), x(), x().mul(10));
      assertArrayEquals(new float[] {-35, -2.5f, 0.5f, 1.75f, 4, -10}, where.toFloats());
      Tensor index = Creation.ofLongs(new long[] {2, 0}, 2, 1);
      Tensor scattered = Ops.scatter(x(), 1, index, Creation.full(DType.FLOAT32, 9, 2, 1));
      assertArrayEquals(new float[] {-3.5f, -0.25f, 9, 9, 4, -1}, scattered.toFloats());
      assertThrows(TorchException.class, () -> Ops.topK(x(), 4));
    }
  }

  @Test
  void multinomialDrawsByProbability() {
    try (TensorScope scope = TensorScope.open("test")) {
      Randomness.manualSeed(2);
      Tensor p = Creation.ofFloats(new float[] {0, 0.75f, 0.25f}, 1, 3).expand(10_000, 3);
      Tensor drawn = Ops.multinomial(p);
      assertEquals(Shape.of(10_000, 1), drawn.shape());
      assertEquals(0, drawn.eq(0).sum().toLong());
      assertEquals(2500, drawn.eq(2).sum().toDouble(), 220); // five standard deviations
      Tensor bad = Creation.ofFloats(new float[] {-1, 2}, 1, 2);
      assertThrows(TorchException.class, () -> Ops.multinomial(bad));
      assertThrows(TorchException.class, () -> Ops.multinomial(bad.mul(0)));
    }
  }

  private static float[] normalised(double eps, float[] weight, float[] bias) {
    float[] result = new float[X.length];
    for (int row = 0; row < X.length; row += 3) {
      double mean = (X[row] + X[row + 1] + X[row + 2]) / 3;
      double variance = 0;
      for (int i = 0; i < 3; i++) {
        variance += (X[row + i] - mean) * (X[row + i] - mean) / 3;
      }
      for (int i = 0; i < 3; i++) {
        double unit = (X[row + i] - mean) / Math.sqrt(variance + eps);
        result[row + i] = (float) (unit * weight[i] + bias[i]);
      }
    }
    return result;
  }

  /** The normal distribution function, by Simpson's rule. */
  private static double normalBelow(double x) {
    int steps = 2000;
    double width = x / steps;
    double sum = 0;
    for (int i = 0; i <= steps; i++) {
      double z = i * width;
      double factor = i == 0 || i == steps ? 1 : i % 2 == 1 ? 4 : 2;
      sum += factor * Math.exp(-z * z / 2);
    }
    return 0.5 + sum * width / 3 / Math.sqrt(2 * Math.PI);
  }

  private static void check(UnaryOperator<Tensor> operator, DoubleUnaryOperator formula) {
    try (TensorScope scope = TensorScope.open("test")) {
      float[] actual = operator.apply(x()).toFloats();
      for (int i = 0; i < X.length; i++) {
        assertEquals(formula.applyAsDouble(X[i]), actual[i], 2e-6, "at " + X[i]);
      }
    }
  }

  private static void close(Tensor expected, Tensor actual) {
    Values.assertClose(expected.toFloats(), actual.toFloats(), 1e-5, "attention");
  }

  private static Tensor x() {
    return Creation.ofFloats(X, 2, 3);
  }
}
