package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;

/**
 * Wrong arguments that would lead native code out of its memory, or end the process: each is an
 * exception.
 */
@Tag("portable")
@ExtendWith(LedgerCheck.class)
class HostileCallsTest {
  private static final long HUGE = 1L << 40;

  @TempDir private Path folder;

  private record Call(String name, Executable code) {
    @Override
    public String toString() {
      return name;
    }
  }

  private static Tensor floats(long... sizes) {
    return Creation.ones(DType.FLOAT32, sizes);
  }

  private static Call update(String name, long[] y, long[] x, long[] a, long[] b) {
    return new Call(
        "update with " + name,
        () -> LowRankUpdate.add(floats(y), floats(x), floats(a), floats(b), 1, 0));
  }

  private static Call attention(String name, long[] q, long[] k, long[] v, long... mask) {
    return new Call(
        "attention with " + name,
        () -> {
          Tensor queries = floats(q).requiresGrad(true);
          Tensor addend = mask.length == 0 ? null : floats(mask);
          Ops.scaledDotProductAttention(queries, floats(k), floats(v), addend, 0, false, null);
        });
  }

  private static Call fused(String name, long[] q, long[] k, long[] v, long... mask) {
    return new Call(
        "fused attention with " + name,
        () ->
            FusedAttention.of(
                floats(q),
                floats(k),
                floats(v),
                mask.length == 0 ? null : floats(mask),
                0,
                false,
                1,
                0));
  }

  private static Stream<Call> wrongSizes() {
    long[] q = {1, 2, 8, 4};
    long[] other = {1, 2, 3, 4};
    long[] rows = {64, 8};
    return Stream.of(
        update("B a vector", rows, new long[] {64, 16}, new long[] {8, 16}, new long[] {8}),
        update("A a vector", rows, new long[] {64, 16}, new long[] {16}, new long[] {8, 16}),
        update("A of rank 3", rows, new long[] {64, 16}, new long[] {2, 3, 16}, new long[] {8, 2}),
        update("fewer rows of y", rows, new long[] {65, 16}, new long[] {2, 16}, new long[] {8, 2}),
        attention("a mask of fewer keys", q, q, q, 1, 1, 8, 2),
        attention("a mask of fewer queries", q, q, q, 1, 1, 2, 8),
        attention("a mask of more heads", q, q, q, 1, 3, 8, 8),
        attention("a flat mask of fewer keys", q, q, q, 8, 5),
        attention("fewer values", q, q, other),
        attention("another head size", q, new long[] {1, 2, 8, 6}, q),
        fused("fewer values", q, q, other),
        fused("a small mask", q, q, q, 1, 1, 8, 2),
        fused("vectors", rows, rows, rows),
        new Call(
            "runs beyond the end",
            () -> {
              LowRankUpdate.Matrices matrices =
                  new LowRankUpdate.Matrices(floats(2, 16), floats(8, 2), 1);
              LowRankUpdate.Run run = new LowRankUpdate.Run(Long.MAX_VALUE, 1, matrices);
              try (GradMode off = GradMode.noGrad()) {
                if (!LowRankUpdate.addRuns(floats(4, 8), floats(4, 16), List.of(run))) {
                  throw new IllegalArgumentException("no kernels here");
                }
              }
            }),
        new Call(
            "a head over hidden states of rank 3",
            () ->
                CrossEntropy.ofLinear(
                    floats(64, 4, 16),
                    floats(512, 16),
                    Creation.zeros(DType.INT64, Device.CPU, 64),
                    1)),
        new Call(
            "a head of another width",
            () ->
                CrossEntropy.ofLinear(
                    floats(64, 16),
                    floats(512, 8),
                    Creation.zeros(DType.INT64, Device.CPU, 64),
                    1)),
        new Call("products", () -> MatrixOps.linear(floats(64, 16), floats(512, 8), null)),
        new Call(
            "a bias of another size",
            () -> MatrixOps.linear(floats(64, 16), floats(512, 16), floats(500))),
        new Call(
            "a bias of another size in decoding",
            () -> {
              try (GradMode off = GradMode.noGrad()) {
                MatrixOps.linear(floats(2, 16), floats(512, 16), floats(500));
              }
            }),
        new Call("a norm", () -> FusedOps.rmsNorm(floats(4, 16), floats(8), 1e-6)),
        new Call("a gate", () -> FusedOps.siluProduct(floats(4, 16), floats(4, 8))));
  }

  private static Stream<Call> wrongValues() {
    Executable gather =
        () -> floats(4, 4).gather(1, Creation.ofLongs(new long[] {-9, 0, 1, 2}, 4, 1));
    return Stream.of(
        new Call("gather", gather),
        new Call("select", () -> floats(4, 4).select(0, 4)),
        new Call("narrow", () -> floats(4, 4).narrow(0, 3, 2)),
        new Call("narrow backwards", () -> floats(4, 4).narrow(0, 0, -1)),
        new Call("narrow far away", () -> floats(4, 4).narrow(0, Long.MAX_VALUE, 1)),
        new Call(
            "strides beyond the memory",
            () -> floats(4).asStrided(new long[] {2}, new long[] {1L << 33}).toFloats()),
        new Call("negative strides", () -> floats(4).asStrided(new long[] {2}, new long[] {-1})),
        new Call("rows", () -> floats(4, 4).indexSelect(0, Creation.ofLongs(new long[] {4}, 1))),
        new Call("tokens", () -> Ops.embedding(floats(4, 4), Creation.ofLongs(new long[] {-1}, 1))),
        new Call(
            "filled rows",
            () -> floats(4, 4).indexFillInPlace(0, Creation.ofLongs(new long[] {9}, 1), 1)),
        new Call(
            "copied rows",
            () ->
                floats(4, 4)
                    .indexCopyInPlace(0, Creation.ofLongs(new long[] {9}, 1), floats(1, 4))),
        new Call(
            "scattered elements",
            () ->
                Ops.scatterAdd(
                    floats(4, 4), 1, Creation.ofLongs(new long[] {HUGE}, 1, 1), floats(1, 1))),
        new Call("the best of too few", () -> Ops.topK(floats(4), 5)),
        new Call("chunks", () -> floats(4).chunk(0, 0)),
        new Call("draws", () -> Ops.multinomial(floats(1, 4), 5)),
        new Call("NaN probabilities", () -> Ops.multinomial(floats(1, 4).mul(Double.NaN))),
        new Call("memory", () -> Creation.empty(DType.FLOAT32, Device.CPU, HUGE, HUGE)),
        new Call("more memory", () -> Creation.zeros(DType.FLOAT32, HUGE, 1 << 10)),
        new Call("negative sizes", () -> Creation.empty(DType.FLOAT32, Device.CPU, -2, -2)),
        new Call("values", () -> Creation.ofFloats(new float[0], 1L << 32, 1L << 32)),
        new Call("negative values", () -> Creation.ofFloats(new float[4], -2, -2)),
        new Call("other types", () -> floats(3).viewAs(DType.FLOAT64)),
        new Call("a type of labels", () -> CrossEntropy.ofLogits(floats(2, 4), floats(2), 1)),
        new Call(
            "a label",
            () ->
                CrossEntropy.ofLogits(
                    floats(2, 4), Creation.ofLongs(new long[] {-1, Long.MIN_VALUE}, 2), 1)),
        new Call(
            "a type of inverse", () -> LinearAlgebra.inverse(Creation.zeros(DType.INT64, 2, 2))),
        new Call("an inverse that is none", () -> LinearAlgebra.inverse(floats(4, 4))),
        new Call("an int8 product", () -> MatrixOps.int8Product(floats(2, 2), floats(2, 2))));
  }

  @ParameterizedTest
  @MethodSource({"wrongSizes", "wrongValues"})
  void wrongArgumentsAreExceptions(Call call) {
    try (TensorScope scope = TensorScope.open("test")) {
      assertThrows(RuntimeException.class, call.code());
    }
  }

  @Test
  void mapsNoMoreThanThereIs() throws IOException {
    Path file = Files.write(folder.resolve("four"), new byte[] {1, 2, 3, 4});
    try (TensorScope scope = TensorScope.open("test")) {
      for (long size : new long[] {5, HUGE, -1, Long.MAX_VALUE}) {
        assertThrows(RuntimeException.class, () -> Creation.mapFile(file, size), "" + size);
      }
      assertThrows(RuntimeException.class, () -> Creation.mapFile(folder.resolve("none"), 1));
      assertThrows(RuntimeException.class, () -> Creation.mapFile(folder, 1));
    }
  }

  @Test
  void decompositionsOfNothingAndOfNaNEnd() {
    try (TensorScope scope = TensorScope.open("test")) {
      for (Tensor a : List.of(floats(3, 3).mul(Double.NaN), floats(0, 0), floats(3, 0))) {
        List<Executable> calls =
            List.of(
                () -> LinearAlgebra.svd(a),
                () -> LinearAlgebra.qr(a),
                () -> LinearAlgebra.eigh(a),
                () -> LinearAlgebra.pseudoInverse(a),
                () -> LinearAlgebra.matrixExp(a),
                () -> LinearAlgebra.solve(a, a));
        for (Executable call : calls) {
          assertTrue(ends(call));
        }
      }
    }
  }

  private static boolean ends(Executable call) {
    try {
      call.execute();
      return true;
    } catch (RuntimeException e) {
      return true;
    } catch (Throwable e) {
      return false;
    }
  }

  /** Backward functions that do all kinds of things wrong, and the gradient that is right. */
  private static Stream<CustomGradient.Backward> wrongBackwards() {
    return Stream.of(
        (g, saved) -> {
          throw new IllegalStateException("backward failed");
        },
        (g, saved) -> {
          throw new StackOverflowError();
        },
        (g, saved) -> List.of(),
        (g, saved) -> List.of(g, g),
        (g, saved) -> List.of(floats(7, 9)),
        (g, saved) -> {
          Tensor closed = floats(2, 2);
          closed.close();
          return List.of(closed);
        },
        (g, saved) -> new ArrayList<>(Collections.singletonList(saved.get(9))));
  }

  @Test
  void wrongBackwardsAreThrowablesAndTheNextOneWorks() {
    List<CustomGradient.Backward> wrong = wrongBackwards().toList();
    for (CustomGradient.Backward backward : wrong) {
      try (TensorScope scope = TensorScope.openGraph("test")) {
        Tensor x = floats(2, 2).requiresGrad(true);
        Tensor value = twice(x, backward);
        assertThrows(Throwable.class, () -> value.sum().backward());
        Tensor fine = twice(x, (g, saved) -> List.of(g.mul(2)));
        fine.sum().backward();
        assertArrayEquals(new float[] {2, 2, 2, 2}, x.grad().orElseThrow().toFloats());
      }
    }
  }

  private static Tensor twice(Tensor x, CustomGradient.Backward backward) {
    Tensor value;
    try (GradMode off = GradMode.noGrad()) {
      value = x.mul(2);
    }
    return CustomGradient.of(value, List.of(x), List.of(x), backward);
  }

  @Test
  void optimizersRefuseParametersThatAreOthersNow() {
    for (boolean resized : new boolean[] {true, false}) {
      try (TensorScope scope = TensorScope.open("test");
          Parameter weight = new Parameter(Shape.of(4, 4), DType.FLOAT32, Init.zeros());
          AdamW optimizer = new AdamW(Map.of("weight", weight), AdamW.Options.defaults())) {
        weight.initialize();
        if (!resized) {
          weight.to(DType.BFLOAT16);
        }
        step(weight, optimizer);
        if (resized) {
          weight.resize(floats(400, 400));
        } else {
          weight.to(DType.FLOAT32);
        }
        assertThrows(IllegalStateException.class, () -> step(weight, optimizer));
        assertEquals(1, optimizer.stateDict().get("weight.step").toLong());
      }
    }
  }

  private static void step(Parameter weight, AdamW optimizer) {
    weight.tensor().mul(weight.tensor()).sum().backward();
    optimizer.step();
  }
}
