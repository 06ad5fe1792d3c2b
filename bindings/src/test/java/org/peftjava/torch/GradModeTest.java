package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(LedgerCheck.class)
class GradModeTest {
  @Test
  void modesNest() {
    assertTrue(GradMode.isEnabled());
    try (GradMode off = GradMode.noGrad()) {
      assertFalse(GradMode.isEnabled());
      try (GradMode on = GradMode.enableGrad()) {
        assertTrue(GradMode.isEnabled());
        try (GradMode again = GradMode.noGrad()) {
          assertFalse(GradMode.isEnabled());
        }
        assertTrue(GradMode.isEnabled());
      }
      assertFalse(GradMode.isEnabled());
    }
    assertTrue(GradMode.isEnabled());
  }

  @Test
  void modeEndsWithAnException() {
    assertThrows(
        ArithmeticException.class,
        () -> {
          try (GradMode off = GradMode.noGrad()) {
            throw new ArithmeticException();
          }
        });
    assertTrue(GradMode.isEnabled());
  }

  @Test
  void outerModeCannotEndFirst() {
    GradMode outer = GradMode.noGrad();
    GradMode inner = GradMode.enableGrad();
    IllegalStateException e = assertThrows(IllegalStateException.class, outer::close);
    assertEquals(
        "A grad mode was closed while one that was opened inside it is open. Close the inner one"
            + " first, best by try-with-resources.",
        e.getMessage());
    assertTrue(GradMode.isEnabled());
    inner.close();
    inner.close();
    assertFalse(GradMode.isEnabled());
    outer.close();
    assertTrue(GradMode.isEnabled());
  }

  @Test
  void modeBelongsToItsThread() throws InterruptedException {
    try (GradMode off = GradMode.noGrad()) {
      String[] message = new String[2];
      Thread other =
          new Thread(
              () -> {
                message[0] = String.valueOf(GradMode.isEnabled());
                message[1] = assertThrows(IllegalStateException.class, off::close).getMessage();
              },
              "other");
      other.start();
      other.join();
      assertEquals("true", message[0]);
      assertEquals(
          "A grad mode of thread "
              + Thread.currentThread().getName()
              + " was closed on other. Close it where it was opened.",
          message[1]);
      assertFalse(GradMode.isEnabled());
    }
  }

  @Test
  void decidesWhatIsRecorded() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor x = Creation.ofFloats(new float[] {2, -3}, 2).requiresGrad(true);
      Tensor recorded = x.mul(x).sum();
      try (GradMode off = GradMode.noGrad()) {
        assertFalse(x.mul(x).requiresGrad());
      }
      assertTrue(recorded.requiresGrad());
      recorded.backward();
      assertEquals(4, x.grad().orElseThrow().toFloats()[0]);
      IllegalStateException e =
          assertThrows(IllegalStateException.class, () -> x.detach().backward());
      assertTrue(
          e.getMessage()
              .startsWith("backward() needs a tensor that depends on something trainable"),
          e.getMessage());
    }
  }
}
