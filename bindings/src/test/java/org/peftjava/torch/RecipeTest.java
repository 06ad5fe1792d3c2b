package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** A tensor that can be computed again is not kept, computed once for all, and freed. */
@ExtendWith(LedgerCheck.class)
class RecipeTest {
  private final AtomicInteger computed = new AtomicInteger();

  private Tensor doubled(Tensor x) {
    return FusedOps.recomputable(
        x.mul(2),
        List.of(x),
        in -> {
          computed.incrementAndGet();
          return in.get(0).mul(2);
        });
  }

  /** {@code y * y}, which keeps y. */
  private static Tensor squared(Tensor y) {
    Tensor value;
    try (GradMode off = GradMode.noGrad()) {
      value = y.mul(y);
    }
    return CustomGradient.of(
        value,
        List.of(y),
        List.of(y),
        (gradient, saved) -> List.of(saved.get(0).mul(gradient).mul(2)));
  }

  @Test
  void usersShareOneComputation() {
    try (TensorScope scope = TensorScope.openGraph("step")) {
      Tensor x = Creation.ofFloats(new float[] {1, -3}, 2).requiresGrad(true);
      Tensor sum;
      try (TensorScope inner = TensorScope.open("layer")) {
        Tensor y = doubled(x);
        sum = inner.keep(squared(y).add(squared(y)).sum());
      }
      assertEquals(0, computed.get());
      sum.backward();
      assertEquals(1, computed.get());
      assertArrayEquals(new float[] {16, -48}, x.grad().orElseThrow().toFloats()); // of 8 x^2
    }
  }

  @Test
  void whatIsNotUsedIsFreedWithoutBeingComputed() {
    long before = TensorLedger.liveTensors();
    try (TensorScope scope = TensorScope.openGraph("step")) {
      Tensor x = Creation.ofFloats(new float[] {1, -3}, 2).requiresGrad(true);
      try (TensorScope inner = TensorScope.open("layer")) {
        Tensor y = doubled(x);
        inner.keep(squared(y));
        Tensor closed = doubled(x);
        closed.close();
      }
    }
    assertEquals(0, computed.get());
    assertEquals(before, TensorLedger.liveTensors());
  }

  @Test
  void withoutGradientsNothingIsNoted() {
    try (TensorScope scope = TensorScope.openGraph("step");
        GradMode off = GradMode.noGrad()) {
      Tensor x = Creation.ofFloats(new float[] {1, -3}, 2);
      assertNull(doubled(x).recipe());
      assertNull(FusedOps.siluProduct(x, x).recipe());
    }
  }

  @Test
  void normsActivationsAndDropoutGiveTheSameBitsAgain() {
    try (TensorScope scope = TensorScope.openGraph("step")) {
      Tensor x = Values.normal(1, DType.FLOAT32, 6, 32).requiresGrad(true);
      Tensor up = Values.normal(2, DType.FLOAT32, 6, 32).requiresGrad(true);
      Tensor weight = Values.normal(3, DType.FLOAT32, 32);
      Tensor bias = Values.normal(4, DType.FLOAT32, 32);
      for (Tensor y :
          List.of(
              FusedOps.rmsNorm(x, weight, 1e-6),
              FusedOps.rmsNormAroundOne(x, weight, 1e-6),
              Ops.layerNorm(x, weight, bias, 1e-5),
              Ops.gelu(x, "tanh"),
              FusedOps.siluProduct(x, up),
              FusedOps.siluProduct(x.t(), up.t()),
              FusedOps.geluProduct(x, up, "none"),
              Dropouts.dropout(x, 0.3))) {
        Recipe recipe = y.recipe();
        assertNotNull(recipe);
        assertArrayEquals(y.detach().toFloats(), recipe.value().toFloats());
      }
    }
  }
}
