package org.peftjava.peft.tuner.miss;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
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
class MissMethodTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "true | 7 | 1 | r must not be above the 6 input features of \"layers.0.fc\", got 7.",
        "bat | 3 | 1 | r must divide input and output features, 6 and 8 of \"layers.0.fc\", got 3.",
        "mini | 3 | 5 | miniR must divide the 8 output features of \"layers.0.fc\", got 5.",
      })
  void whatDoesNotFitTheLayerIsNamed(String variant, int r, int miniR, String message) {
    MissConfig.Builder builder = MissConfig.builder().r(r).miniR(miniR);
    MissConfig config =
        (variant.equals("true") ? builder.initWeights(true) : builder.initWeights(variant)).build();
    IllegalArgumentException error =
        assertThrows(
            IllegalArgumentException.class,
            () -> new MissMethod().newAdapter(Sites.linear(6, 8), config));
    assertEquals("MissConfig: " + message, error.getMessage());
  }

  @Test
  void dropoutComesBeforeTheSum() {
    MissConfig config = MissConfig.builder().r(2).missDropout(0.5).build();
    LayerAdapter adapter = new MissMethod().newAdapter(Sites.linear(6, 8), config);
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
