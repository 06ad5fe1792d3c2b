package org.peftjava.transformers.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;

class KvCacheTest {
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
}
