package org.peftjava.quant;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.TensorLedger;
import org.peftjava.torch.TensorScope;

/** A test in a scope of its own, that leaves no tensor behind and draws the same numbers always. */
public abstract class ScopedTest {
  private long before;
  private TensorScope scope;

  @BeforeEach
  final void openScope() {
    before = TensorLedger.liveTensors();
    scope = TensorScope.openGraph("test");
    Randomness.manualSeed(7);
  }

  @AfterEach
  final void closeScope() {
    scope.close();
    assertEquals(before, TensorLedger.liveTensors(), "tensors left over");
  }
}
