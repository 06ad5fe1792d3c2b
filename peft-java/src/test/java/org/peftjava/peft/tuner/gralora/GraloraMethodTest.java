package org.peftjava.peft.tuner.gralora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.peftjava.peft.LedgerCheck;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.Sites;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

@ExtendWith(LedgerCheck.class)
class GraloraMethodTest {
  @Test
  void blocksThatDoNotFitAreNamed() {
    GraloraConfig config = GraloraConfig.builder().r(8).graloraK(4).build();
    IllegalArgumentException error =
        assertThrows(
            IllegalArgumentException.class,
            () -> new GraloraMethod().newAdapter(Sites.linear(6, 8), config));
    assertEquals(
        "GraloraConfig: graloraK must divide input and output features, 6 and 8 of \"layers.0.fc\","
            + " got 4.",
        error.getMessage());
    error =
        assertThrows(
            IllegalArgumentException.class, () -> GraloraConfig.builder().r(7).graloraK(2).build());
    assertEquals("GraloraConfig: r must be a multiple of graloraK 2, got 7.", error.getMessage());
  }

  @Test
  void dropoutComesFirst() {
    GraloraConfig config = GraloraConfig.builder().r(4).graloraDropout(0.5).build();
    LayerAdapter adapter = new GraloraMethod().newAdapter(Sites.linear(6, 8), config);
    Sites.fill(adapter);
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = Creation.randn(DType.FLOAT32, 4, 6);
      Tensor y = Creation.randn(DType.FLOAT32, 4, 8);
      Randomness.manualSeed(3);
      Tensor dropped = Dropouts.dropout(x, 0.5);
      Randomness.manualSeed(3);
      assertArrayEquals(
          adapter.afterBase(dropped, y, false).toFloats(),
          adapter.afterBase(x, y, true).toFloats());
    }
    Sites.close(adapter);
  }
}
