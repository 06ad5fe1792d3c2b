package org.peftjava.peft.tuner.boft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.peftjava.peft.LedgerCheck;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.Sites;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

@ExtendWith(LedgerCheck.class)
class BOFTMethodTest {
  private static BOFTConfig config(int size, int number, int factor) {
    return BOFTConfig.builder()
        .boftBlockSize(size)
        .boftBlockNum(number)
        .boftNButterflyFactor(factor)
        .build();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "5 | 0 | 1 | boftBlockSize must divide the 24 input features of \"layers.0.fc\", got 5.",
        "0 | 7 | 1 | boftBlockNum must divide the 24 input features of \"layers.0.fc\", got 7.",
        "3 | 0 | 2 | boftNButterflyFactor must be 1, or fit: 8 blocks of 3 features in"
            + " \"layers.0.fc\" need an even block size and a number of blocks that can be halved 1"
            + " times, got 2.",
        "4 | 0 | 3 | boftNButterflyFactor must be 1, or fit: 6 blocks of 4 features in"
            + " \"layers.0.fc\" need an even block size and a number of blocks that can be halved 2"
            + " times, got 3.",
        "4 | 6 | 1 | boftBlockSize must be 0 if boftBlockNum is set: their product are the input"
            + " features, got 4.",
        "0 | 0 | 1 | boftBlockSize or boftBlockNum must be set: the size of the blocks or their"
            + " number, got 0.",
      })
  void whatDoesNotFitIsNamed(int size, int number, int factor, String message) {
    IllegalArgumentException error =
        assertThrows(
            IllegalArgumentException.class,
            () -> new BOFTMethod().newAdapter(Sites.linear(24, 8), config(size, number, factor)));
    assertEquals("BOFTConfig: " + message, error.getMessage());
  }

  /** Results of Python's {@code block_butterfly_perm} for 16 features in blocks of 4. */
  @Test
  void arrangementsArePythons() {
    Butterfly butterfly = new Butterfly(16, 4, 3);
    assertArrayEquals(
        new long[] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, butterfly.order(0));
    assertArrayEquals(
        new long[] {0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15}, butterfly.order(1));
    assertArrayEquals(
        new long[] {0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15}, butterfly.order(2));
    assertArrayEquals(butterfly.order(0), Butterfly.reverse(Butterfly.reverse(butterfly.order(0))));
  }

  @Test
  void dropoutStopsAShareOfTheBlocksOfOneArrangement() {
    BOFTConfig config =
        BOFTConfig.builder().boftBlockSize(4).boftDropout(0.5).initWeights(false).build();
    LayerAdapter adapter = new BOFTMethod().newAdapter(Sites.linear(24, 8), config);
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = Creation.randn(DType.FLOAT32, 1, 24);
      Randomness.manualSeed(8);
      float[] before = x.toFloats();
      float[] turned = adapter.beforeBase(x, false).toFloats();
      float[] dropped = adapter.beforeBase(x, true).toFloats();
      int still = 0;
      for (int block = 0; block < 6; block++) {
        boolean same = Math.abs(before[4 * block] - dropped[4 * block]) < 1e-6f;
        still += same ? 1 : 0;
        assertTrue(
            same || Math.abs(turned[4 * block] - dropped[4 * block]) < 1e-6f, "block " + block);
      }
      assertEquals(3, still, "half of six blocks");
    }
    Sites.close(adapter);
  }
}
