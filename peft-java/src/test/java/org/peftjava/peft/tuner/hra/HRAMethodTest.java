package org.peftjava.peft.tuner.hra;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.peftjava.peft.LedgerCheck;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.Sites;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

@ExtendWith(LedgerCheck.class)
class HRAMethodTest {
  private static LayerAdapter adapter(HRAConfig.Builder config) {
    return new HRAMethod().newAdapter(Sites.linear(6, 8), config.build());
  }

  @Test
  void startsWithEachReflectionTwice() {
    LayerAdapter adapter = adapter(HRAConfig.builder().r(4));
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor u = adapter.weights().get(0).parameter().tensor().detach();
      for (int pair = 0; pair < 2; pair++) {
        float[] first = u.select(1, 2L * pair).toFloats();
        assertArrayEquals(first, u.select(1, 2L * pair + 1).toFloats());
        assertTrue(first[0] != u.select(1, 2L - 2 * pair).toFloats()[0], "pairs differ");
      }
      Tensor x = Creation.randn(DType.FLOAT32, 5, 6);
      assertArrayEquals(x.toFloats(), adapter.beforeBase(x, true).toFloats(), 1e-5f);
    }
    Sites.close(adapter);
  }

  /** The closed form of the product against one reflection after the other. */
  @Test
  void isTheProductOfItsReflections() {
    LayerAdapter adapter = adapter(HRAConfig.builder().r(5));
    Sites.fill(adapter);
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor u = adapter.weights().get(0).parameter().tensor().detach();
      Tensor x = Creation.randn(DType.FLOAT32, 3, 6);
      Tensor expected = x;
      for (int i = 4; i >= 0; i--) {
        Tensor column = u.narrow(1, i, 1);
        Tensor unit = column.div(column.mul(column).sum().sqrt());
        expected = expected.sub(expected.matmul(unit).matmul(unit.t()).mul(2));
      }
      assertArrayEquals(expected.toFloats(), adapter.beforeBase(x, false).toFloats(), 1e-5f);
    }
    Sites.close(adapter);
  }

  @Test
  void anOddNumberIsWarnedAboutAndTooManyOrthogonalVectorsAreRefused() {
    List<String> warnings = new HRAMethod().warnings(HRAConfig.builder().r(3).build(), Map.of());
    assertEquals(1, warnings.size());
    assertTrue(warnings.get(0).startsWith("r is odd, 3"), warnings.get(0));
    assertEquals(List.of(), new HRAMethod().warnings(HRAConfig.builder().build(), Map.of()));
    IllegalArgumentException error =
        assertThrows(
            IllegalArgumentException.class, () -> adapter(HRAConfig.builder().r(8).applyGs(true)));
    assertEquals(
        "HRAConfig: r must not be above the 6 input features of \"layers.0.fc\" with applyGs, got"
            + " 8.",
        error.getMessage());
  }
}
