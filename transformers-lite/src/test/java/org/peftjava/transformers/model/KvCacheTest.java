package org.peftjava.transformers.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;

class KvCacheTest {
  private static final int ROWS = 4;

  @Test
  void growsWithoutLosingTokensAndFreesEverything() {
    long before = TensorLedger.liveTensors();
    try (KvCache cache = new KvCache(2, 1)) {
      float[] expected = new float[50 * 3];
      for (int token = 0; token < 50; token++) {
        try (TensorScope scope = TensorScope.open("token")) {
          Tensor key = Creation.full(DType.FLOAT32, token + 1, 1, 1, 1, 3);
          for (int layer = 0; layer < 2; layer++) {
            KvCache.KeyValues all = cache.append(layer, key, key.mul(2));
            expected[3 * token] = token + 1;
            expected[3 * token + 1] = token + 1;
            expected[3 * token + 2] = token + 1;
            assertArrayEquals(Arrays.copyOf(expected, 3 * (token + 1)), all.keys().toFloats());
            assertEquals(2f * (token + 1), all.values().toFloats()[3 * token]);
          }
        }
        assertEquals(token, cache.length());
        cache.advance(1);
      }
    }
    assertEquals(before, TensorLedger.liveTensors());
  }

  @Test
  void refusesGradientsAndOtherBatches() {
    try (KvCache cache = new KvCache(1, 4);
        TensorScope scope = TensorScope.open("test")) {
      Tensor trained = Creation.zeros(DType.FLOAT32, 1, 2, 1, 3).requiresGrad(true);
      assertThrows(IllegalStateException.class, () -> cache.append(0, trained, trained));
      Tensor one = Creation.zeros(DType.FLOAT32, 1, 2, 1, 3);
      Tensor two = Creation.zeros(DType.FLOAT32, 2, 2, 1, 3);
      try (GradMode off = GradMode.noGrad()) {
        cache.append(0, one, one);
        String message =
            assertThrows(IllegalArgumentException.class, () -> cache.append(0, two, two))
                .getMessage();
        assertTrue(message.contains("1 rows, but the batch has 2"), message);
      }
    }
  }

  @Test
  void rowsAreRepeatedAndReorderedBehindWhatTheyShare() {
    long before = TensorLedger.liveTensors();
    try (KvCache cache = new KvCache(1, 2);
        TensorScope scope = TensorScope.open("test");
        GradMode off = GradMode.noGrad()) {
      append(cache, 1, 2);
      cache.expand(2);
      append(cache, 3, 4, 5, 6);
      append(cache, 7, 8, 9, 10);
      assertArrayEquals(new float[] {1, 3, 7, 1, 4, 8, 2, 5, 9, 2, 6, 10}, keys(cache));

      cache.reorder(new long[] {1, 0, 3, 3}, 1);
      assertArrayEquals(new float[] {1, 4, 8, 1, 3, 7, 2, 6, 10, 2, 6, 10}, keys(cache));
      cache.reorder(new long[] {0, 0, 2, 3}, 2);
      assertArrayEquals(new float[] {1, 4, 8, 1, 3, 8, 2, 6, 10, 2, 6, 10}, keys(cache));

      append(cache, 11, 12, 13, 14);
      assertArrayEquals(
          new float[] {1, 4, 8, 11, 1, 3, 8, 12, 2, 6, 10, 13, 2, 6, 10, 14}, keys(cache));
    }
    assertEquals(before, TensorLedger.liveTensors());
  }

  private static void append(KvCache cache, float... oneARow) {
    Tensor key = Creation.ofFloats(oneARow, oneARow.length, 1, 1, 1);
    cache.append(0, key, key.mul(-1));
    cache.advance(1);
  }

  /** All keys, row by row; the values are checked to be their negatives. */
  private static float[] keys(KvCache cache) {
    Tensor none = Creation.empty(DType.FLOAT32, Device.CPU, ROWS, 1, 0, 1);
    KvCache.KeyValues all = cache.append(0, none, none);
    assertArrayEquals(all.keys().toFloats(), all.values().neg().toFloats());
    return all.keys().toFloats();
  }
}
