package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Random;
import java.util.function.Function;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Against {@code -log softmax(h W^T)[label] / divisor}, composed in float64. */
@Tag("portable")
@ExtendWith(LedgerCheck.class)
class CrossEntropyTest {
  private static final int VOCABULARY = 37;
  private static final double DIVISOR = 5;

  @ParameterizedTest
  @CsvSource({
    "FLOAT32, 1, false",
    "FLOAT32, 7, false",
    "FLOAT32, 7, true",
    "FLOAT32, 256, false",
    "FLOAT32, 600, false",
    "BFLOAT16, 1, false",
    "BFLOAT16, 7, false",
    "BFLOAT16, 7, true",
    "BFLOAT16, 600, false",
    "FLOAT64, 7, false",
  })
  void lossAndGradientsOfALinearHead(DType type, int rows, boolean trainedHead) {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor hidden = Values.normal(21, type, rows, 8).requiresGrad(true);
      Tensor weight = Values.normal(22, type, VOCABULARY, 8).requiresGrad(trainedHead);
      compare(type, CrossEntropyTest::linear, hidden, weight, labels(rows));
    }
  }

  @ParameterizedTest
  @CsvSource({"FLOAT32", "BFLOAT16"})
  void takesTensorsWithGaps(DType type) {
    Function<List<Tensor>, Tensor> loss =
        in ->
            CrossEntropy.ofLinear(
                in.get(0).t(), in.get(1).t(), in.get(2).reshape(-1, 2).select(1, 0), DIVISOR);
    Function<List<Tensor>, Tensor> composed =
        in -> composed(in.get(0).t().matmul(in.get(1)), in.get(2).reshape(-1, 2).select(1, 0));
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor hidden = Values.normal(23, type, 8, 9).requiresGrad(true);
      Tensor weight = Values.normal(24, type, 8, VOCABULARY);
      Tensor[] in = {hidden, weight, labels(18)};
      Differentiated.runInDouble(composed, in)
          .assertGives(Differentiated.run(loss, in), Values.tolerance(type));
    }
  }

  @ParameterizedTest
  @CsvSource({"FLOAT32", "BFLOAT16"})
  void lossAndGradientOfLogits(DType type) {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor[] in = {Values.normal(25, type, 6, VOCABULARY).requiresGrad(true), labels(6)};
      Differentiated expected = Differentiated.runInDouble(x -> composed(x.get(0), x.get(1)), in);
      Differentiated actual =
          Differentiated.run(x -> CrossEntropy.ofLogits(x.get(0), x.get(1), DIVISOR), in);
      assertEquals(DType.FLOAT32, actual.type());
      expected.assertGives(actual, Values.tolerance(type) / 4);
    }
  }

  /** Of both ways, against the mean of the own class's logarithm and of all. */
  @ParameterizedTest
  @CsvSource({"FLOAT32, 7", "FLOAT32, 600", "BFLOAT16, 7"})
  void smoothedLabels(DType type, int rows) {
    double share = 0.3;
    Function<List<Tensor>, Tensor> composed =
        in -> {
          Tensor logits = in.get(0).matmul(in.get(1).t());
          Tensor counting = in.get(2).ne(CrossEntropy.IGNORED).to(logits.dtype());
          Tensor all = Ops.logSoftmax(logits, -1, logits.dtype()).sum(-1L).mul(counting);
          return composed(logits, in.get(2))
              .mul(1 - share)
              .add(all.sum(), -share / VOCABULARY / DIVISOR);
        };
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor hidden = Values.normal(28, type, rows, 8).requiresGrad(true);
      Tensor weight = Values.normal(29, type, VOCABULARY, 8);
      Tensor[] in = {hidden, weight, labels(rows)};
      Differentiated expected = Differentiated.runInDouble(composed, in);
      double tolerance = Values.tolerance(type);
      expected.assertGives(
          Differentiated.run(
              x -> CrossEntropy.ofLinear(x.get(0), x.get(1), x.get(2), DIVISOR, share), in),
          tolerance);
      expected.assertGives(
          Differentiated.run(
              x -> CrossEntropy.ofLogits(x.get(0).matmul(x.get(1).t()), x.get(2), DIVISOR, share),
              in),
          tolerance);
    }
  }

  @Test
  void withoutGradientsTheLossIsTheSame() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor hidden = Values.normal(26, DType.FLOAT32, 300, 8);
      Tensor weight = Values.normal(27, DType.FLOAT32, VOCABULARY, 8).requiresGrad(true);
      Tensor labels = labels(300);
      double expected = composed(hidden.matmul(weight.t()), labels).toDouble();
      assertNotEquals(0, expected);
      try (GradMode off = GradMode.noGrad()) {
        Tensor loss = CrossEntropy.ofLinear(hidden, weight, labels, DIVISOR);
        assertEquals(expected, loss.toDouble(), 1e-5 * expected);
        assertTrue(!loss.requiresGrad());
      }
    }
  }

  /** exp overflows float32 from 89 on. */
  @Test
  void hugeLogitsStayFinite() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor hidden = Values.normal(28, DType.FLOAT32, 5, 8).mul(300).requiresGrad(true);
      Tensor weight = Values.normal(29, DType.FLOAT32, VOCABULARY, 8);
      Tensor loss = CrossEntropy.ofLinear(hidden, weight, labels(5), DIVISOR);
      assertTrue(loss.isFinite());
      compare(DType.FLOAT32, CrossEntropyTest::linear, hidden.detach(), weight, labels(5));
    }
  }

  @Test
  void upstreamGradientScales() {
    try (TensorScope scope = TensorScope.openGraph("test")) {
      for (DType type : List.of(DType.FLOAT32, DType.BFLOAT16)) {
        Tensor[] in = {
          Values.normal(30, type, 7, 8).requiresGrad(true),
          Values.normal(31, type, VOCABULARY, 8),
          labels(7)
        };
        Function<List<Tensor>, Tensor> scaled = x -> linear(x).mul(-1 / 3.0);
        Differentiated.runInDouble(
                x -> composed(x.get(0).matmul(x.get(1).t()), x.get(2)).mul(-1 / 3.0), in)
            .assertGives(Differentiated.run(scaled, in), Values.tolerance(type));
      }
    }
  }

  @Test
  void hiddenStatesMayBeClosedBeforeBackward() {
    try (TensorScope scope = TensorScope.openGraph("test")) {
      Tensor x = Values.normal(32, DType.FLOAT32, 7, 8).requiresGrad(true);
      Tensor weight = Values.normal(33, DType.FLOAT32, VOCABULARY, 8);
      Tensor labels = labels(7);
      Tensor loss;
      try (TensorScope layer = TensorScope.open("layer")) {
        loss = layer.keep(CrossEntropy.ofLinear(x.mul(2), weight, labels, DIVISOR));
      }
      loss.backward();
      Tensor twice = x.detach().mul(2).requiresGrad(true);
      composed(twice.matmul(weight.t()), labels).backward();
      Values.assertClose(
          twice.grad().orElseThrow().mul(2).toFloats(),
          x.grad().orElseThrow().toFloats(),
          1e-5,
          "gradient");
    }
  }

  @Test
  void ignoredLabelsDoNotCount() {
    try (TensorScope scope = TensorScope.openGraph("test")) {
      Tensor weight = Values.normal(34, DType.FLOAT32, VOCABULARY, 8);
      Tensor x = Values.normal(35, DType.FLOAT32, 3, 8).requiresGrad(true);
      Tensor one = Creation.ofLongs(new long[] {CrossEntropy.IGNORED, 4, CrossEntropy.IGNORED}, 3);
      assertEquals(1, CrossEntropy.countLabels(one));
      CrossEntropy.ofLinear(x, weight, one, 1).backward();
      float[] gradient = x.grad().orElseThrow().toFloats();
      for (int i = 0; i < gradient.length; i++) {
        assertEquals(i / 8 == 1, gradient[i] != 0, "gradient of element " + i);
      }
      x.setGrad(null);
      Tensor none = Creation.full(DType.INT64, CrossEntropy.IGNORED, 3);
      Tensor loss = CrossEntropy.ofLinear(x, weight, none, 1);
      assertEquals(0, loss.toDouble());
      loss.backward();
      assertArrayEquals(new float[24], x.grad().orElseThrow().toFloats());
    }
  }

  @Test
  void noRowsGiveNoLoss() {
    try (TensorScope scope = TensorScope.openGraph("test")) {
      Tensor weight = Values.normal(36, DType.FLOAT32, VOCABULARY, 8);
      Tensor hidden = Creation.empty(DType.FLOAT32, Device.CPU, 0, 8).requiresGrad(true);
      Tensor loss = CrossEntropy.ofLinear(hidden, weight, labels(0), 1);
      assertEquals(0, loss.toDouble());
      loss.backward();
      assertEquals(Shape.of(0, 8), hidden.grad().orElseThrow().shape());
      assertEquals(0, CrossEntropy.countLabels(labels(0)));
    }
  }

  @Test
  void labelsMustFit() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor hidden = Values.normal(37, DType.FLOAT32, 2, 8).requiresGrad(true);
      Tensor weight = Values.normal(38, DType.FLOAT32, VOCABULARY, 8);
      Tensor logits = Values.normal(39, DType.FLOAT32, 2, VOCABULARY);
      for (long bad : new long[] {VOCABULARY, -1, -101, Long.MAX_VALUE, Long.MIN_VALUE}) {
        assertRefused(
            hidden,
            weight,
            logits,
            Creation.ofLongs(new long[] {3, bad}, 2),
            "Label "
                + bad
                + " is outside the vocabulary: expected 0 to 36, or -100 for positions that do not"
                + " count.");
      }
      assertRefused(
          hidden,
          weight,
          logits,
          labels(3),
          "Labels are int64 [3]: expected int64 [2], one per position.");
      assertRefused(
          hidden,
          weight,
          logits,
          labels(2).to(DType.INT32),
          "Labels are int32 [2]: expected int64 [2], one per position.");
      assertRefused(
          hidden,
          weight,
          logits,
          labels(2).reshape(2, 1),
          "Labels are int64 [2, 1]: expected int64 [2], one per position.");
    }
  }

  private static void assertRefused(
      Tensor hidden, Tensor weight, Tensor logits, Tensor labels, String message) {
    assertEquals(
        message,
        assertThrows(
                IllegalArgumentException.class,
                () -> CrossEntropy.ofLinear(hidden, weight, labels, 1))
            .getMessage());
    assertEquals(
        message,
        assertThrows(IllegalArgumentException.class, () -> CrossEntropy.ofLogits(logits, labels, 1))
            .getMessage());
  }

  private static void compare(DType type, Function<List<Tensor>, Tensor> loss, Tensor... in) {
    Differentiated expected =
        Differentiated.runInDouble(x -> composed(x.get(0).matmul(x.get(1).t()), x.get(2)), in);
    Differentiated actual = Differentiated.run(loss, in);
    assertEquals(DType.FLOAT32, actual.type());
    expected.assertGives(actual, Values.tolerance(type));
  }

  private static Tensor linear(List<Tensor> in) {
    return CrossEntropy.ofLinear(in.get(0), in.get(1), in.get(2), DIVISOR);
  }

  private static Tensor composed(Tensor logits, Tensor labels) {
    Tensor ignored = labels.eq(-100);
    Tensor log = logits.sub(logits.exp().sum(1).log().unsqueeze(1));
    if (!log.isFinite()) {
      log = Ops.logSoftmax(logits, 1, DType.FLOAT64);
    }
    Tensor picked = log.gather(1, labels.maskedFill(ignored, 0).unsqueeze(1)).squeeze(1);
    return picked.maskedFill(ignored, 0).sum().div(-DIVISOR);
  }

  /** A third of the labels does not count. */
  private static Tensor labels(int rows) {
    Random random = new Random(rows);
    long[] labels = new long[rows];
    for (int i = 0; i < rows; i++) {
      labels[i] = i % 3 == 1 ? CrossEntropy.IGNORED : random.nextInt(VOCABULARY);
    }
    return Creation.ofLongs(labels, rows);
  }
}
