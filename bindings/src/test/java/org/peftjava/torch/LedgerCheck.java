package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** Fails a test that leaves a tensor, an open scope or a grad mode behind. */
public final class LedgerCheck implements BeforeEachCallback, AfterEachCallback {
  private static final ExtensionContext.Namespace STORE =
      ExtensionContext.Namespace.create(LedgerCheck.class);

  @Override
  public void beforeEach(ExtensionContext context) {
    context.getStore(STORE).put("live", TensorLedger.liveTensors());
  }

  @Override
  public void afterEach(ExtensionContext context) {
    assertNull(TensorScope.current(), "a scope is still open");
    assertEquals(true, GradMode.isEnabled(), "a grad mode is still in force");
    assertEquals(
        context.getStore(STORE).get("live", Long.class),
        TensorLedger.liveTensors(),
        () -> "live tensors before and after the test. " + TensorLedger.summary());
  }
}
