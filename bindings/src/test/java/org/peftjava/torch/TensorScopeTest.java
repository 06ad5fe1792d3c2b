package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(LedgerCheck.class)
class TensorScopeTest {
  private static final float[] NUMBERS = {1.5f, -2, 3.25f};

  @Test
  void closesWhatItOwns() {
    Tensor a;
    Tensor b;
    long before = TensorLedger.liveTensors();
    try (TensorScope scope = TensorScope.open("one")) {
      a = numbers();
      b = a.mul(2);
      assertEquals(before + 2, TensorLedger.liveTensors());
    }
    assertTrue(a.isClosed());
    assertTrue(b.isClosed());
    assertEquals(before, TensorLedger.liveTensors());
  }

  @Test
  void innerScopeLeavesTheOuterOneAlone() {
    try (TensorScope outer = TensorScope.open("outer")) {
      Tensor a = numbers();
      Tensor b;
      try (TensorScope inner = TensorScope.open("inner")) {
        b = a.mul(2);
        assertArrayEquals(new float[] {3, -4, 6.5f}, b.toFloats());
      }
      assertTrue(b.isClosed());
      assertArrayEquals(NUMBERS, a.toFloats());
    }
  }

  @Test
  void keepHandsOverOneLevelAtATime() {
    Tensor kept;
    try (TensorScope outer = TensorScope.open("outer")) {
      try (TensorScope middle = TensorScope.open("middle")) {
        Tensor a;
        try (TensorScope inner = TensorScope.open("inner")) {
          a = numbers();
          assertSame(a, inner.keep(a));
        }
        assertFalse(a.isClosed());
        kept = middle.keep(a);
      }
      assertArrayEquals(NUMBERS, kept.toFloats());
      try (TensorScope inner = TensorScope.open("other")) {
        assertSame(kept, inner.keep(kept)); // an outer scope owns it already
      }
      assertArrayEquals(NUMBERS, kept.toFloats());
    }
    assertTrue(kept.isClosed());
  }

  @Test
  void keepNeedsAnEnclosingScope() {
    try (TensorScope scope = TensorScope.open("step")) {
      Tensor a = numbers();
      IllegalStateException e = assertThrows(IllegalStateException.class, () -> scope.keep(a));
      assertEquals(
          "Scope \"step\" is the outermost one: nothing encloses it that could keep the tensor."
              + " Copy the values to a Java array, or open an outer scope: try (var scope ="
              + " TensorScope.open(\"name\")) { … }.",
          e.getMessage());
    }
  }

  @Test
  void useAfterTheScopeNamesTheScope() {
    Tensor a;
    try (TensorScope scope = TensorScope.open("layer 3")) {
      a = numbers();
    }
    TorchException.ClosedTensor e =
        assertThrows(TorchException.ClosedTensor.class, () -> a.toFloats());
    assertEquals(
        "This tensor was closed with the scope \"layer 3\". Call scope.keep(tensor) before the"
            + " scope ends, or tensor.escape() to own it yourself.",
        e.getMessage());
    assertEquals("Tensor[closed]", a.toString());
  }

  @Test
  void useAfterClosingSaysSo() {
    try (TensorScope scope = TensorScope.open("one")) {
      Tensor a = numbers();
      a.close();
      a.close();
      TorchException.ClosedTensor e =
          assertThrows(TorchException.ClosedTensor.class, () -> a.mul(2));
      assertTrue(e.getMessage().startsWith("This tensor was closed explicitly."), e.getMessage());
    }
  }

  @Test
  void closingOneHandleLeavesTheOthers() {
    try (TensorScope scope = TensorScope.open("one")) {
      Tensor a = numbers();
      Tensor view = a.reshape(3, 1);
      Tensor alias = a.alias();
      a.close();
      assertArrayEquals(NUMBERS, view.toFloats());
      assertArrayEquals(NUMBERS, alias.toFloats());
    }
  }

  @Test
  void escapedTensorOutlivesEveryScope() {
    Tensor a;
    try (TensorScope outer = TensorScope.open("outer");
        TensorScope inner = TensorScope.open("inner")) {
      a = numbers();
      assertSame(a, a.escape());
      assertSame(a, a.escape());
      assertSame(a, inner.keep(a));
    }
    assertFalse(a.isClosed());
    assertArrayEquals(NUMBERS, a.toFloats());
    a.close();
    assertTrue(a.isClosed());
  }

  @Test
  void scopesCloseInnermostFirst() {
    TensorScope outer = TensorScope.open("outer");
    TensorScope inner = TensorScope.open("inner");
    IllegalStateException e = assertThrows(IllegalStateException.class, outer::close);
    assertEquals(
        "Scope \"outer\" was used while the inner scope \"inner\" is open. Close inner scopes"
            + " first.",
        e.getMessage());
    Tensor a = numbers();
    assertThrows(IllegalStateException.class, () -> outer.keep(a));
    inner.close();
    inner.close();
    outer.close();
    assertTrue(a.isClosed());
  }

  @Test
  void aScopeBelongsToItsThread() throws Exception {
    ExecutorService other = Executors.newSingleThreadExecutor(task -> new Thread(task, "other"));
    try (TensorScope scope = TensorScope.open("mine")) {
      Tensor a = numbers();
      for (Runnable use : List.<Runnable>of(scope::close, () -> scope.keep(a))) {
        AtomicReference<Throwable> thrown = new AtomicReference<>();
        Future<?> done =
            other.submit(
                () -> thrown.set(assertThrows(IllegalStateException.class, () -> use.run())));
        done.get();
        assertEquals(
            "Scope \"mine\" belongs to thread "
                + Thread.currentThread().getName()
                + " but was used on other. Open and close a scope on one thread.",
            thrown.get().getMessage());
      }
      assertArrayEquals(NUMBERS, a.toFloats());
    } finally {
      other.shutdown();
    }
  }

  @Test
  void exceptionsUnwindEveryScope() {
    List<Tensor> made = new ArrayList<>();
    CompletionException e =
        assertThrows(
            CompletionException.class,
            () -> {
              try (TensorScope outer = TensorScope.open("outer")) {
                made.add(numbers());
                try (TensorScope inner = TensorScope.open("inner")) {
                  made.add(inner.keep(numbers()));
                  made.add(numbers());
                  throw new CompletionException("stop", null);
                }
              }
            });
    assertEquals("stop", e.getMessage());
    made.forEach(tensor -> assertTrue(tensor.isClosed()));
    assertEquals(3, made.size());
  }

  @Test
  void tensorsNeedAScope() {
    assertTrue(TensorLedger.isStrict());
    IllegalStateException e =
        assertThrows(IllegalStateException.class, () -> Creation.ones(DType.FLOAT32, 2));
    assertEquals(
        "A tensor was created outside every TensorScope. Open one around this code:"
            + " try (var scope = TensorScope.open(\"name\")) {...}.",
        e.getMessage());
    Tensor a;
    try (TensorScope scope = TensorScope.open("one")) {
      a = numbers().escape();
    }
    assertThrows(IllegalStateException.class, () -> a.mul(2));
    assertThrows(IllegalStateException.class, () -> a.chunk(3, 0));
    a.close();
  }

  @Test
  void summaryCountsLiveTensors() {
    try (TensorScope scope = TensorScope.open("one")) {
      numbers();
      String expected =
          String.format("Live tensors: %,d; process memory ", TensorLedger.liveTensors());
      assertTrue(TensorLedger.summary().startsWith(expected), TensorLedger.summary());
    }
  }

  private static Tensor numbers() {
    return Creation.ofFloats(NUMBERS, 3);
  }
}
