package org.peftjava.peft.tuner.lokr;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.peftjava.peft.LedgerCheck;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.RankDropout;
import org.peftjava.peft.tuner.Sites;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

@ExtendWith(LedgerCheck.class)
class LoKrMethodTest {
  private static LayerAdapter adapter(LoKrConfig.Builder config) {
    LayerAdapter result = new LoKrMethod().newAdapter(Sites.linear(6, 8), config.build());
    Sites.fill(result);
    return result;
  }

  /** Results of Python's {@code factorization}. */
  @ParameterizedTest
  @CsvSource({
    "256, -1, 16, 16",
    "128, -1, 8, 16",
    "127, -1, 1, 127",
    "128, 4, 4, 32",
    "4096, 16, 16, 256",
    "768, -1, 24, 32",
    "768, 7, 6, 128",
    "768, 0, 1, 768",
    "3072, 100, 48, 64",
    "360, 13, 12, 30",
    "8, 8, 8, 1",
    "8, 5, 2, 4",
    "1, -1, 1, 1",
    "1, 3, 1, 1",
    "12, 5, 3, 4",
    "50257, -1, 29, 1733"
  })
  void splitsAsPython(long features, long factor, long first, long second) {
    assertEquals(new LoKrMethod.Split(first, second), LoKrMethod.split(features, factor));
  }

  @ParameterizedTest
  @CsvSource({"true", "false"})
  void droppedRowsAreTheSameWithoutTheDenseUpdate(boolean scaled) {
    LoKrConfig.Builder config = LoKrConfig.builder().r(1).decomposeBoth(true).rankDropout(0.4);
    LayerAdapter adapter = adapter(config.rankDropoutScale(scaled));
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = Creation.randn(DType.FLOAT32, 5, 6);
      Tensor y = Creation.zeros(DType.FLOAT32, 5, 8);
      Randomness.manualSeed(4);
      float[] actual = adapter.afterBase(x, y, true).toFloats();
      Randomness.manualSeed(4);
      Tensor dense = adapter.mergedInto(Creation.zeros(DType.FLOAT32, 8, 6));
      Tensor dropped = new RankDropout(0.4, 0, scaled).apply(dense);
      assertArrayEquals(MatrixOps.linear(x, dropped, null).toFloats(), actual, 1e-5f);
      int zeros = 0;
      for (int column = 0; column < 8; column++) {
        zeros += actual[column] == 0 ? 1 : 0;
      }
      assertTrue(zeros > 0 && zeros < 8, zeros + " of 8 rows dropped");
    }
    Sites.close(adapter);
  }

  @Test
  void aDroppedModuleLeavesTheOutput() {
    LayerAdapter adapter = adapter(LoKrConfig.builder().r(2).moduleDropout(0.5));
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = Creation.randn(DType.FLOAT32, 5, 6);
      Tensor y = Creation.randn(DType.FLOAT32, 5, 8);
      Randomness.manualSeed(1);
      int skipped = 0;
      for (int pass = 0; pass < 100; pass++) {
        skipped += adapter.afterBase(x, y, true) == y ? 1 : 0;
        assertTrue(adapter.afterBase(x, y, false) != y, "acts outside training");
      }
      assertEquals(50, skipped, 20);
    }
    Sites.close(adapter);
  }

  @Test
  void badValuesAreNamed() {
    IllegalArgumentException error =
        assertThrows(
            IllegalArgumentException.class,
            () -> LoKrConfig.builder().initWeights("zeros").build());
    assertEquals(
        "LoKrConfig: initWeights must be true, false or one of lycoris, got \"zeros\".",
        error.getMessage());
    LoKrConfig config = LoKrConfig.builder().initWeights("lycoris").decomposeFactor(4).build();
    assertSame("lycoris", config.fields().get("init_weights"));
    assertEquals(4, config.decomposeFactor());
  }
}
