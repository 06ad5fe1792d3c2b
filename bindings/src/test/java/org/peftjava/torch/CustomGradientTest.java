package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Gradients are compared with autograd's to the last bit: all numbers are small integers. */
@ExtendWith(LedgerCheck.class)
class CustomGradientTest {
  private static final float[] A = {1, -2, 3, 4, -5, 6};
  private static final float[] B = {7, -1, 2};

  /** {@code a * b + 2 c}: a (2, 3), b (3), c (2, 1) of another type. */
  private static Tensor recorded(List<Tensor> in) {
    Tensor value;
    try (GradMode off = GradMode.noGrad()) {
      value = composed(in.stream().map(Tensor::detach).toList());
    }
    DType typeOfC = in.get(2).dtype();
    return CustomGradient.of(
        value,
        in,
        in.subList(0, 2),
        (gradient, saved) ->
            Arrays.asList(
                gradient.mul(saved.get(1)),
                gradient.mul(saved.get(0)).sum(0),
                gradient.sum(1).unsqueeze(1).mul(2).to(typeOfC)));
  }

  private static Tensor composed(List<Tensor> in) {
    Tensor product = in.get(0).mul(in.get(1));
    return product.add(in.get(2).to(product.dtype()).mul(2));
  }

  @ParameterizedTest
  @CsvSource({
    "FLOAT32, BFLOAT16",
    "FLOAT64, FLOAT32",
    "BFLOAT16, FLOAT32",
    "FLOAT32, FLOAT16",
  })
  void gradientsOfSeveralShapesAndTypes(DType type, DType typeOfC) {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor[] in = inputs(type, typeOfC);
      for (Tensor input : in) {
        input.requiresGrad(true);
      }
      Differentiated expected = Differentiated.run(CustomGradientTest::composed, in);
      assertEquals(3, expected.gradients().stream().filter(g -> g != null).count());
      expected.assertGives(Differentiated.run(CustomGradientTest::recorded, in), 0);
    }
  }

  @Test
  void inputsThatNeedNoGradientGetNone() {
    for (int needed = 0; needed < 3; needed++) {
      try (TensorScope scope = TensorScope.open("test")) {
        Tensor[] in = inputs(DType.FLOAT32, DType.FLOAT32);
        in[needed].requiresGrad(true);
        Differentiated expected = Differentiated.run(CustomGradientTest::composed, in);
        assertEquals(1, expected.gradients().stream().filter(g -> g != null).count());
        expected.assertGives(Differentiated.run(CustomGradientTest::recorded, in), 0);
      }
    }
  }

  @Test
  void inputsInsideTheGraphPassTheGradientOn() {
    Function<Function<List<Tensor>, Tensor>, Function<List<Tensor>, Tensor>> surrounded =
        middle ->
            in -> {
              Tensor a = in.get(0).mul(3).sub(in.get(0).mul(in.get(0)));
              Tensor y = middle.apply(List.of(a, in.get(1).neg(), in.get(2)));
              return y.mul(y).mul(in.get(1));
            };
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor[] in = inputs(DType.FLOAT64, DType.FLOAT64);
      for (Tensor input : in) {
        input.requiresGrad(true);
      }
      Differentiated.run(surrounded.apply(CustomGradientTest::composed), in)
          .assertGives(Differentiated.run(surrounded.apply(CustomGradientTest::recorded), in), 0);
    }
  }

  @Test
  void valueUsedTwiceRunsTheBackwardOnce() {
    AtomicInteger runs = new AtomicInteger();
    try (TensorScope scope = TensorScope.openGraph("test")) {
      Tensor x = Creation.ofFloats(B, 3).requiresGrad(true);
      Tensor y = squared(x, runs);
      y.mul(5).add(y.mul(y)).sum().backward();
      // d/dx (5 x^2 + x^4) = 10 x + 4 x^3
      assertArrayEquals(new float[] {1442, -14, 52}, x.grad().orElseThrow().toFloats());
      assertEquals(1, runs.get());
    }
  }

  @Test
  void inputGivenTwiceGetsBothGradients() {
    try (TensorScope scope = TensorScope.openGraph("test")) {
      Tensor x = Creation.ofFloats(B, 3).requiresGrad(true);
      Tensor y =
          CustomGradient.of(
              x.detach().copy(),
              List.of(x, x),
              List.of(),
              (gradient, saved) -> List.of(gradient.mul(2), gradient.mul(30)));
      y.sum().backward();
      assertArrayEquals(new float[] {32, 32, 32}, x.grad().orElseThrow().toFloats());
    }
  }

  @Test
  void gradientsAddUpOverBackwardPasses() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = Creation.ofFloats(B, 3).requiresGrad(true);
      for (int i = 1; i <= 3; i++) {
        try (TensorScope step = TensorScope.openGraph("step")) {
          squared(x, new AtomicInteger()).mul(i).sum().backward();
        }
      }
      assertArrayEquals(new float[] {84, -12, 24}, x.grad().orElseThrow().toFloats());
    }
  }

  /** A backward that passes nothing on, in front of another one. */
  @Test
  void nullGradientStopsThere() {
    AtomicInteger runs = new AtomicInteger();
    try (TensorScope scope = TensorScope.openGraph("test")) {
      Tensor x = Creation.ofFloats(B, 3).requiresGrad(true);
      Tensor first = squared(x, runs);
      Tensor second =
          CustomGradient.of(
              first.detach().copy(),
              List.of(first),
              List.of(),
              (gradient, saved) -> Arrays.asList((Tensor) null));
      second.sum().backward();
      assertTrue(x.grad().isEmpty());
      assertEquals(0, runs.get());
    }
  }

  @Test
  void nothingIsRecordedWithoutNeed() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = Creation.ofFloats(B, 3);
      Tensor value = x.copy();
      assertSame(value, CustomGradient.of(value, List.of(x), List.of(x), (g, saved) -> List.of()));
      assertFalse(value.requiresGrad());
      x.requiresGrad(true);
      try (GradMode off = GradMode.noGrad()) {
        assertSame(
            value, CustomGradient.of(value, List.of(x), List.of(x), (g, saved) -> List.of()));
      }
      assertFalse(value.requiresGrad());
    }
  }

  @Test
  void exceptionOfTheBackwardArrivesAsItIs() {
    for (Throwable thrown :
        List.of(new ArithmeticException("no gradient today"), new AssertionError("broken"))) {
      try (TensorScope scope = TensorScope.openGraph("test")) {
        Tensor x = Creation.ofFloats(B, 3).requiresGrad(true);
        long before = TensorLedger.liveTensors();
        try (TensorScope inner = TensorScope.openGraph("step")) {
          Tensor y = failing(x, thrown).sum();
          assertSame(thrown, assertThrows(Throwable.class, y::backward));
          assertTrue(GradMode.isEnabled());
        }
        assertEquals(before, TensorLedger.liveTensors());
        squared(x, new AtomicInteger()).sum().backward();
        assertArrayEquals(new float[] {14, -2, 4}, x.grad().orElseThrow().toFloats());
      }
    }
  }

  @Test
  void everyInputNeedsAnAnswer() {
    try (TensorScope scope = TensorScope.openGraph("test")) {
      Tensor x = Creation.ofFloats(B, 3).requiresGrad(true);
      Tensor y =
          CustomGradient.of(x.detach().mul(2), List.of(x, x), List.of(), (g, s) -> List.of(g))
              .sum();
      IllegalStateException e = assertThrows(IllegalStateException.class, y::backward);
      assertEquals(
          "A custom backward returned 1 gradients for 2 inputs. Return one per input, null where"
              + " none is needed.",
          e.getMessage());
      Tensor value = x.detach().mul(2);
      assertThrows(
          IllegalArgumentException.class,
          () -> CustomGradient.attach(value, List.of(), List.of(), (g, s) -> List.of()));
    }
  }

  @Test
  void gradientOfTheWrongShapeIsAnError() {
    try (TensorScope scope = TensorScope.openGraph("test")) {
      Tensor x = Creation.ofFloats(B, 3).requiresGrad(true);
      Tensor y =
          CustomGradient.of(
                  x.detach().mul(2),
                  List.of(x),
                  List.of(),
                  (gradient, saved) -> List.of(gradient.narrow(0, 0, 2)))
              .sum();
      TorchException.ShapeMismatch e =
          assertThrows(TorchException.ShapeMismatch.class, y::backward);
      assertEquals("shape '[3]' is invalid for input of size 2", e.getMessage());
    }
  }

  @Test
  void backwardAfterTheGraphScopeIsAnError() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = Creation.ofFloats(B, 3).requiresGrad(true);
      Tensor y;
      try (TensorScope graph = TensorScope.openGraph("forward")) {
        y = graph.keep(squared(x, new AtomicInteger()).sum());
      }
      IllegalStateException e = assertThrows(IllegalStateException.class, y::backward);
      assertEquals(
          "backward() reached a part of the graph whose scope has ended. Call backward() inside"
              + " the scope of the forward pass, and only once.",
          e.getMessage());
    }
  }

  @Test
  void secondBackwardIsAnError() {
    try (TensorScope scope = TensorScope.openGraph("test")) {
      Tensor x = Creation.ofFloats(B, 3).requiresGrad(true);
      Tensor y = squared(x, new AtomicInteger());
      Tensor ones = Creation.ones(DType.FLOAT32, 3);
      y.backward(ones);
      assertThrows(IllegalStateException.class, () -> y.backward(ones));
    }
  }

  @Test
  void savedTensorsLiveUntilBackward() {
    try (TensorScope scope = TensorScope.openGraph("test")) {
      Tensor x = Creation.ofFloats(B, 3).requiresGrad(true);
      Tensor sum = Creation.zeros(DType.FLOAT32);
      try (TensorScope layer = TensorScope.open("layer")) {
        sum = layer.keep(squared(x, new AtomicInteger()).sum());
      }
      long recorded = TensorLedger.liveTensors();
      sum.backward();
      assertEquals(recorded - 1, TensorLedger.liveTensors());
      assertArrayEquals(new float[] {14, -2, 4}, x.grad().orElseThrow().toFloats());
    }
  }

  @Test
  void savedTensorsEndWithTheGraphScope() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = Creation.ofFloats(B, 3).requiresGrad(true);
      long before = TensorLedger.liveTensors();
      try (TensorScope graph = TensorScope.openGraph("forward")) {
        try (TensorScope layer = TensorScope.open("layer")) {
          squared(x, new AtomicInteger());
        }
        assertEquals(before + 1, TensorLedger.liveTensors());
      }
      assertEquals(before, TensorLedger.liveTensors());
    }
  }

  /** {@code x^2}, with x saved. */
  private static Tensor squared(Tensor x, AtomicInteger runs) {
    Tensor value = x.detach().mul(x.detach());
    return CustomGradient.of(
        value,
        List.of(x),
        List.of(x),
        (gradient, saved) -> {
          runs.incrementAndGet();
          return List.of(gradient.mul(saved.get(0)).mul(2));
        });
  }

  private static Tensor failing(Tensor x, Throwable thrown) {
    return CustomGradient.of(
        x.detach().mul(2),
        List.of(x),
        List.of(x),
        (gradient, saved) -> {
          gradient.mul(2);
          if (thrown instanceof Error error) {
            throw error;
          }
          throw (RuntimeException) thrown;
        });
  }

  private static Tensor[] inputs(DType type, DType typeOfC) {
    return new Tensor[] {
      Creation.ofFloats(A, 2, 3).to(type),
      Creation.ofFloats(B, 3).to(type),
      Creation.ofFloats(new float[] {4, -3}, 2, 1).to(typeOfC)
    };
  }
}
