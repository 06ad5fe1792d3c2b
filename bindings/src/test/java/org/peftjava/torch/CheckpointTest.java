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
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Tag("portable")
@ExtendWith(LedgerCheck.class)
class CheckpointTest {
  /** Several inputs of different shapes, one of integers: {@code tanh(a W^T) * b[ids] + a}. */
  private static Tensor block(List<Tensor> in) {
    Tensor rows = in.get(2).indexSelect(0, in.get(3));
    return Ops.tanh(MatrixOps.linear(in.get(0), in.get(1), null)).mul(rows).add(in.get(0));
  }

  @Test
  void gradientsEqualTheRecordedRun() {
    try (TensorScope scope = TensorScope.open("test")) {
      for (int needs = 1; needs < 8; needs++) {
        Tensor[] in = {
          Values.normal(1, DType.FLOAT32, 5, 4).requiresGrad((needs & 1) != 0),
          Values.normal(2, DType.FLOAT32, 4, 4).requiresGrad((needs & 2) != 0),
          Values.normal(3, DType.FLOAT32, 7, 4).requiresGrad((needs & 4) != 0),
          Creation.ofLongs(new long[] {6, 0, 3, 3, 1}, 5)
        };
        Differentiated expected = Differentiated.run(CheckpointTest::block, in);
        assertEquals(Integer.bitCount(needs), count(expected));
        expected.assertGives(
            Differentiated.run(x -> Checkpoint.run(CheckpointTest::block, x), in), 0);
      }
    }
  }

  /** libtorch's masks come from a transposed view, the native ones from gapless memory. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void dropoutDrawsTheSameMasks(boolean gapless) {
    Function<List<Tensor>, Tensor> block =
        in -> {
          Tensor x = gapless ? in.get(0) : in.get(0).t();
          Tensor first = Dropouts.dropout(x, 0.4);
          return Dropouts.dropout(first.mul(first).contiguous(), 0.25).mul(3);
        };
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = Values.normal(4, DType.FLOAT32, 9, 11).requiresGrad(true);
      Randomness.manualSeed(17);
      Differentiated expected = Differentiated.run(block, x);
      Randomness.State after = Randomness.save();
      Randomness.manualSeed(17);
      expected.assertGives(Differentiated.run(in -> Checkpoint.run(block, in), x), 0);
      assertArrayEquals(after.generator(), Randomness.save().generator());
      assertEquals(after.counter(), Randomness.save().counter());
      Randomness.manualSeed(18);
      assertFalse(Arrays.equals(expected.value(), Differentiated.run(block, x).value()));
    }
  }

  @Test
  void parametersOfTheBlockGetGradientsWhenNoInputNeedsOne() {
    try (TensorScope scope = TensorScope.openGraph("test")) {
      Tensor weight = Creation.ofFloats(new float[] {2, -3, 5, 7}, 2, 2).requiresGrad(true);
      Tensor x = Creation.ofFloats(new float[] {1, 10}, 1, 2);
      Tensor y = Checkpoint.run(in -> MatrixOps.linear(in.get(0), weight, null), List.of(x));
      assertArrayEquals(new float[] {-28, 75}, y.toFloats());
      y.backward(Creation.ofFloats(new float[] {1, 100}, 1, 2));
      assertArrayEquals(new float[] {1, 10, 100, 1000}, weight.grad().orElseThrow().toFloats());
      assertTrue(x.grad().isEmpty());
    }
  }

  @Test
  void checkpointsNest() {
    Function<List<Tensor>, Tensor> inner = in -> Ops.silu(Dropouts.dropout(in.get(0), 0.3));
    Function<List<Tensor>, Tensor> middle =
        in -> Ops.tanh(inner.apply(List.of(in.get(0).mul(1.5)))).add(in.get(1));
    Function<List<Tensor>, Tensor> saving =
        in ->
            Checkpoint.run(
                outer ->
                    Ops.tanh(Checkpoint.run(inner, List.of(outer.get(0).mul(1.5))))
                        .add(outer.get(1)),
                in);
    Function<List<Tensor>, Tensor> twice = in -> saving.apply(List.of(saving.apply(in), in.get(1)));
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor[] in = {
        Values.normal(5, DType.FLOAT32, 6, 5).requiresGrad(true),
        Values.normal(6, DType.FLOAT32, 5).requiresGrad(true)
      };
      Randomness.manualSeed(3);
      Differentiated expected =
          Differentiated.run(x -> middle.apply(List.of(middle.apply(x), x.get(1))), in);
      Randomness.manualSeed(3);
      expected.assertGives(Differentiated.run(twice, in), 1e-6);
    }
  }

  @Test
  void blockMayReturnAnInputOrAViewOfIt() {
    for (Function<List<Tensor>, Tensor> block :
        List.<Function<List<Tensor>, Tensor>>of(
            in -> in.get(0), in -> in.get(0).t(), in -> in.get(0).narrow(0, 1, 2))) {
      try (TensorScope scope = TensorScope.open("test")) {
        Tensor x = Values.normal(7, DType.FLOAT32, 3, 2).requiresGrad(true);
        Differentiated expected = Differentiated.run(in -> block.apply(in).mul(3), x);
        expected.assertGives(
            Differentiated.run(in -> Checkpoint.run(block, List.of(in.get(0))).mul(3), x), 0);
        expected.assertGives(
            Differentiated.run(in -> Checkpoint.run(block, List.of(in.get(0).mul(3))), x), 0);
      }
    }
  }

  @Test
  void blockMayReturnAParameter() {
    try (TensorScope scope = TensorScope.openGraph("test")) {
      Tensor weight = Creation.ofFloats(new float[] {2, -3}, 2).requiresGrad(true);
      Tensor x = Creation.ofFloats(new float[] {1, 10}, 2).requiresGrad(true);
      Checkpoint.run(in -> weight, List.of(x)).mul(weight).sum().backward();
      assertArrayEquals(new float[] {4, -6}, weight.grad().orElseThrow().toFloats());
      assertArrayEquals(null, x.grad().map(Tensor::toFloats).orElse(null));
    }
  }

  @Test
  void withoutGradientsTheBlockRunsOnce() {
    AtomicInteger runs = new AtomicInteger();
    try (TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      Tensor x = Values.normal(8, DType.FLOAT32, 3).requiresGrad(true);
      Tensor y =
          Checkpoint.run(
              in -> {
                runs.incrementAndGet();
                assertSame(x, in.get(0));
                return in.get(0).mul(2);
              },
              List.of(x));
      assertFalse(y.requiresGrad());
      assertEquals(1, runs.get());
    }
  }

  @Test
  void onlyInputsStayInMemory() {
    try (TensorScope scope = TensorScope.openGraph("test")) {
      Tensor x = Values.normal(9, DType.FLOAT32, 3).requiresGrad(true);
      long before = TensorLedger.liveTensors();
      Tensor y = Checkpoint.run(in -> Ops.tanh(in.get(0).mul(2)).mul(in.get(0)), List.of(x));
      assertEquals(before + 2, TensorLedger.liveTensors()); // y, and x for the second run
      y.sum().backward();
    }
  }

  @Test
  void exceptionOfTheSecondRunArrivesAndRestoresTheRandomState() {
    AtomicInteger runs = new AtomicInteger();
    try (TensorScope scope = TensorScope.openGraph("test")) {
      Tensor x = Values.normal(10, DType.FLOAT32, 3).requiresGrad(true);
      Tensor y =
          Checkpoint.run(
                  in -> {
                    if (runs.incrementAndGet() == 2) {
                      throw new ArithmeticException("second run");
                    }
                    return Dropouts.dropout(in.get(0), 0.5);
                  },
                  List.of(x))
              .sum();
      Creation.randn(DType.FLOAT32, 5);
      Randomness.State before = Randomness.save();
      ArithmeticException e = assertThrows(ArithmeticException.class, y::backward);
      assertEquals("second run", e.getMessage());
      assertArrayEquals(before.generator(), Randomness.save().generator());
      assertEquals(before.counter(), Randomness.save().counter());
    }
  }

  private static long count(Differentiated run) {
    return run.gradients().stream().filter(gradient -> gradient != null).count();
  }
}
