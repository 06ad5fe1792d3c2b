package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.peftjava.torch.cuda.KernelLauncher;

/**
 * What a training step computes by kernels of a card is what it computes elsewhere, in float64 or
 * by the CPU's kernels.
 */
abstract class CardPathContract extends CardContract {
  CardPathContract(Device device, KernelLauncher kernels) {
    super(device, kernels);
  }

  /** Errors of float32, and one rounding of each bfloat16 result, whatever the rank and size. */
  @ParameterizedTest
  @CsvSource({"8, 40, 24, 0", "16, 64, 48, 0.3", "3, 33, 17, 0.3", "64, 96, 80, 0"})
  void lowRankUpdates(int r, int d, int o, double dropout) {
    Tensor y = on(random(DType.BFLOAT16, 2, 5, o));
    Tensor x = on(random(DType.BFLOAT16, 2, 5, d)).requiresGrad(true);
    Tensor a = on(random(DType.FLOAT32, r, d)).requiresGrad(true);
    Tensor b = on(random(DType.FLOAT32, o, r)).requiresGrad(true);
    Tensor upstream = on(random(DType.BFLOAT16, 2, 5, o));
    Tensor kept = keptOf(x, dropout);
    Randomness.manualSeed(5);
    Tensor start = y.copy().requiresGrad(true);
    Tensor result = LowRankUpdate.add(start.mul(1), x, a, b, 1.7, dropout);
    Autograd.backward(result, upstream);

    Tensor wideX = wide(x.detach()).mul(kept).requiresGrad(true);
    Tensor wideA = wide(a.detach()).requiresGrad(true);
    Tensor wideB = wide(b.detach()).requiresGrad(true);
    Tensor update = wideX.matmul(wideA.t()).matmul(wideB.t()).mul(1.7);
    Autograd.backward(update, wide(upstream));
    assertRounded(wide(y).add(update.detach()), result.detach());
    assertRounded(gradient(wideX).mul(kept), gradient(x));
    assertClose(gradient(wideA), gradient(a), 2e-6);
    assertClose(gradient(wideB), gradient(b), 2e-6);
    assertArrayEquals(upstream.toBytes(), gradient(start).toBytes());
    assertEquals(3, counting.launches("partsOfTwo"));
    assertEquals(5, counting.launches("parts"));
    assertEquals(dropout == 0 ? 0 : 2, counting.launches("dropoutBF16"));
    assertEquals(2, counting.launches("settle"));
  }

  /**
   * Two launches where no gradient is recorded, and errors of float32, whatever the rank and size.
   */
  @ParameterizedTest
  @CsvSource({
    "BFLOAT16, 1, 16, 2304",
    "FLOAT16, 5, 8, 40",
    "FLOAT32, 16, 3, 33",
    "BFLOAT16, 17, 8, 40"
  })
  void lowRankUpdatesOfFewRows(DType type, int n, int r, int d) {
    Tensor y = on(random(type, n, 77));
    Tensor x = on(random(type, n, d));
    Tensor a = on(random(DType.FLOAT32, r, d));
    Tensor b = on(random(DType.FLOAT32, 77, r));
    Tensor expected = wide(y).add(wide(x).matmul(wide(a).t()).matmul(wide(b).t()).mul(1.7));
    try (GradMode off = GradMode.noGrad()) {
      Tensor result = LowRankUpdate.add(y, x, a, b, 1.7, 0);
      double epsilon = type == DType.FLOAT32 ? 2e-6 : type == DType.FLOAT16 ? 0x1p-11 : 0x1p-8;
      assertClose(expected, result, 1.01 * epsilon);
    }
    assertEquals(n > 16 ? 0 : 1, counting.launches("lowRankDown"));
    assertEquals(n > 16 ? 0 : 1, counting.launches("lowRankUp"));
    assertEquals(n > 16 ? 2 : 0, counting.launches("parts"));
  }

  /** What dropout multiplies x by when the seed is 5. */
  private Tensor keptOf(Tensor x, double dropout) {
    Randomness.manualSeed(5);
    return wide(Dropouts.dropout(Creation.ones(DType.FLOAT32, x.shape().toArray()), dropout));
  }

  /** A float32 number is the sum of its parts; infinity and NaN stay alone. */
  @ParameterizedTest
  @CsvSource({"1e-3", "1", "1e30"})
  void valuesFarApart(double size) {
    Tensor x = on(random(DType.BFLOAT16, 4, 32)).mul(size);
    Tensor a = on(random(DType.FLOAT32, 8, 32)).mul(1 / size);
    Tensor b = on(random(DType.FLOAT32, 16, 8)).mul(1e-20);
    Tensor y = on(Creation.zeros(DType.BFLOAT16, 4, 16));
    Tensor exact = wide(x).matmul(wide(a).t()).matmul(wide(b).t());
    assertRounded(exact, LowRankUpdate.add(y, x, a, b, 1, 0));
    Tensor infinite = on(Creation.full(DType.FLOAT32, Float.POSITIVE_INFINITY, 8, 32));
    Tensor spoilt = LowRankUpdate.add(y, x, infinite, b, 1, 0);
    assertTrue(!Double.isFinite(spoilt.to(DType.FLOAT32).abs().max().toDouble()));
  }

  /** The masks are those of the CPU. */
  @ParameterizedTest
  @EnumSource(names = {"FLOAT32", "FLOAT16", "BFLOAT16"})
  void dropout(DType type) {
    Tensor x = random(type, 3, 7, 61);
    List<Tensor> results = new ArrayList<>();
    for (boolean card : new boolean[] {true, false}) {
      Tensor input = (card ? on(x.copy()) : x.to(DType.FLOAT32)).requiresGrad(true);
      if (!card) {
        stopUsingThem();
      }
      Randomness.manualSeed(9);
      Tensor y = Dropouts.dropout(input, 0.35);
      Autograd.backward(y, Creation.ones(y.dtype(), y.shape().toArray()).to(y.device()));
      results.add(y.detach());
      results.add(gradient(input));
    }
    assertEquals(2, counting.launches("dropout" + CardTensors.suffix(type).orElseThrow()));
    for (int i = 0; i < 2; i++) {
      assertArrayEquals(results.get(i + 2).to(type).toBytes(), results.get(i).toBytes());
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"FLOAT32", "FLOAT16", "BFLOAT16"})
  void gatedProducts(DType type) {
    Tensor gate = on(random(type, 5, 27).mul(3)).requiresGrad(true);
    Tensor up = on(random(type, 5, 27)).requiresGrad(true);
    Tensor upstream = on(random(type, 5, 27));
    Autograd.backward(FusedOps.siluProduct(gate, up), upstream);
    Tensor wideGate = wide(gate.detach()).requiresGrad(true);
    Tensor wideUp = wide(up.detach()).requiresGrad(true);
    Tensor product = Ops.silu(wideGate).mul(wideUp);
    Autograd.backward(product, wide(upstream));
    double epsilon = type == DType.FLOAT32 ? 1e-6 : type == DType.FLOAT16 ? 0x1p-10 : 0x1p-7;
    assertClose(product.detach(), FusedOps.siluProduct(gate, up).detach(), epsilon);
    assertClose(gradient(wideGate), gradient(gate), epsilon);
    assertClose(gradient(wideUp), gradient(up), epsilon);
    String end = CardTensors.suffix(type).orElseThrow();
    assertEquals(2, counting.launches("siluProduct" + end));
    assertEquals(1, counting.launches("siluProductGradient" + end));
  }

  /** Queries and keys as they come from projections, and of which only a part is meant. */
  @ParameterizedTest
  @CsvSource({"FLOAT32, 1, 32", "FLOAT16, 2, 16", "BFLOAT16, 2, 48"})
  void rotations(DType type, int angles, int d) {
    Tensor whole = on(random(type, 2, 5, 3, 2L * d)).requiresGrad(true);
    Tensor x = whole.narrow(3, d, d).transpose(1, 2);
    Tensor cos = on(random(type, angles, 1, 9, d)).narrow(2, 3, 5);
    Tensor sin = on(random(type, angles, 1, 9, d)).narrow(2, 3, 5);
    Tensor upstream = on(random(type, 2, 3, 5, d));
    Tensor y = Rotations.apply(x, cos, sin);
    Autograd.backward(y, upstream);
    Tensor wideX = wide(x.detach()).requiresGrad(true);
    Tensor turned = wideX.mul(wide(cos)).add(Ops.roll(wideX, d / 2).mul(wide(sin)));
    Autograd.backward(turned, wide(upstream));
    double epsilon = type == DType.FLOAT32 ? 1e-6 : type == DType.FLOAT16 ? 0x1p-10 : 0x1p-7;
    assertClose(turned.detach(), y.detach(), epsilon);
    Tensor gradient = gradient(whole).narrow(3, d, d).transpose(1, 2);
    assertClose(gradient(wideX), gradient, epsilon);
    assertEquals(2, counting.launches("rotate" + CardTensors.suffix(type).orElseThrow()));
    assertArrayEquals(new long[] {2, 3, 5, d}, y.shape().toArray());
  }

  /** Rows that count and rows that do not, more than a block's threads can take at once. */
  @ParameterizedTest
  @CsvSource({"FLOAT32, 4099", "FLOAT16, 4104", "BFLOAT16, 37"})
  void losses(DType type, int vocabulary) {
    Tensor hidden = on(random(type, 6, 16)).requiresGrad(true);
    Tensor weight = on(random(type, vocabulary, 16));
    Tensor labels = on(Creation.ofLongs(new long[] {3, -100, vocabulary - 1, 0, -100, 9}, 6));
    Tensor loss = CrossEntropy.ofLinear(hidden, weight, labels, 4);
    loss.backward();
    Tensor wideHidden = wide(hidden.detach()).requiresGrad(true);
    Tensor logits = wideHidden.matmul(wide(weight).t());
    Tensor expected = CrossEntropy.ofLogits(logits.to(DType.FLOAT32), labels.to(Device.CPU), 4);
    expected.backward();
    double epsilon = type == DType.FLOAT32 ? 1e-6 : type == DType.FLOAT16 ? 0x1p-9 : 0x1p-6;
    assertEquals(expected.toDouble(), loss.toDouble(), epsilon * expected.toDouble());
    assertClose(gradient(wideHidden), gradient(hidden), 2 * epsilon);
    assertEquals(1, counting.launches("crossEntropy"));
  }

  private static Tensor wide(Tensor x) {
    return x.to(Device.CPU).to(DType.FLOAT64);
  }

  private static Tensor gradient(Tensor x) {
    Tensor result = x.grad().orElseThrow().copy();
    x.setGrad(null);
    return result;
  }

  /** Within one rounding to bfloat16. */
  private static void assertRounded(Tensor expected, Tensor actual) {
    Tensor bound = expected.abs().mul(0x1p-8).add(expected.abs().max().toDouble() * 2e-6);
    Tensor over = wide(actual).sub(expected).abs().sub(bound);
    assertTrue(over.max().toDouble() <= 0, () -> over.max().toDouble() + " too far");
  }

  private static void assertClose(Tensor expected, Tensor actual, double epsilon) {
    double scale = expected.abs().max().toDouble();
    double error = expected.sub(wide(actual)).abs().max().toDouble();
    assertTrue(error <= epsilon * scale, () -> error + " of " + scale);
  }
}
