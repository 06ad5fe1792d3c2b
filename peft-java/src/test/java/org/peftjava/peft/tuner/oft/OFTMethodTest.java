package org.peftjava.peft.tuner.oft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.peftjava.peft.LedgerCheck;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.Sites;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

@ExtendWith(LedgerCheck.class)
class OFTMethodTest {
  /** Results of Python's {@code adjust_oft_parameters}. */
  @ParameterizedTest
  @CsvSource({
    "16, 6, 4",
    "32, 6, 4",
    "32, 32, 32",
    "32, 64, 32",
    "768, 32, 32",
    "768, 100, 96",
    "12, 5, 4",
    "12, 7, 6",
    "7, 2, 1",
    "100, 30, 25",
    "1, 1, 1",
    "97, 50, 97"
  })
  void blocksAreMadeToFitAsInPython(long features, long asked, long expected) {
    assertEquals(expected, OFTMethod.divisorNear(features, asked));
  }

  @Test
  void aChangedBlockSizeIsWarnedAbout() {
    OFTConfig config = OFTConfig.builder().oftBlockSize(4).build();
    assertEquals(
        List.of("oftBlockSize 4 does not divide the 6 features of \"fc\". It is 3 there."),
        new OFTMethod().warnings(config, Map.of("fc", Sites.linear(6, 8).layer())));
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0, 'or r must be set: the size of the blocks or their number, got 0.'",
    "2, 3, 'must be 0 if r is set: r times oftBlockSize are the input features, got 3.'"
  })
  void oneOfNumberAndSizeIsGiven(int r, int size, String message) {
    IllegalArgumentException error =
        assertThrows(
            IllegalArgumentException.class,
            () -> OFTConfig.builder().r(r).oftBlockSize(size).build());
    assertEquals("OFTConfig: oftBlockSize " + message, error.getMessage());
  }

  /** Lengths of rows stay the same. */
  @Test
  void exactRotationsAreRotations() {
    OFTConfig config = OFTConfig.builder().oftBlockSize(3).useCayleyNeumann(false).build();
    LayerAdapter adapter = new OFTMethod().newAdapter(Sites.linear(6, 8), config);
    assertEquals(Shape.of(2, 3), adapter.weights().get(0).parameter().shape());
    Sites.fill(adapter);
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = Creation.randn(DType.FLOAT32, 5, 6);
      Tensor rotated = adapter.beforeBase(x, false);
      assertArrayEquals(x.mul(x).sum(1).toFloats(), rotated.mul(rotated).sum(1).toFloats(), 1e-4f);
    }
    Sites.close(adapter);
  }
}
