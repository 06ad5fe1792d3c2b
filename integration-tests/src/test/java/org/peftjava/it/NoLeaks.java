package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.peftjava.torch.TensorLedger;

/** Fails a test that ends with more or fewer live tensors than it began with. */
public final class NoLeaks implements BeforeEachCallback, AfterEachCallback {
  private long before;

  @Override
  public void beforeEach(ExtensionContext context) {
    before = TensorLedger.liveTensors();
  }

  @Override
  public void afterEach(ExtensionContext context) {
    assertEquals(before, TensorLedger.liveTensors(), "live tensors after the test");
  }
}
