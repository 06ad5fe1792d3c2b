package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(LedgerCheck.class)
class NativeErrorsTest {
  @Test
  void shapesThatDoNotFit() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor a = Values.normal(1, DType.FLOAT32, 2, 3);
      TorchException.ShapeMismatch e =
          assertThrows(TorchException.ShapeMismatch.class, () -> a.matmul(a));
      assertEquals("mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)", e.getMessage());
      assertEquals(1, e.getSuppressed().length);
      assertTrue(e.getSuppressed()[0].getMessage().startsWith(e.getMessage() + "\n"));
      e = assertThrows(TorchException.ShapeMismatch.class, () -> a.add(a.t()));
      assertTrue(
          e.getMessage().startsWith("The size of tensor a (3) must match the size of tensor b (2)"),
          e.getMessage());
    }
  }

  @Test
  void allocationThatCannotSucceed() {
    try (TensorScope scope = TensorScope.open("test")) {
      TorchException.OutOfDeviceMemory e =
          assertThrows(
              TorchException.OutOfDeviceMemory.class,
              () -> Creation.empty(DType.UINT8, Device.CPU, 1_000_000_000_000_000L));
      assertTrue(e.getMessage().contains("1000000000000000 bytes"), e.getMessage());
      assertTrue(e.getMessage().contains("Live tensors: "), e.getMessage());
      assertTrue(
          e.getMessage()
              .endsWith("Use smaller batches, shorter sequences or gradient checkpointing."));
      assertTrue(e.getMessage().indexOf('\n') < 0);
      assertEquals(6, Creation.full(DType.FLOAT32, 2, 3).sum().toDouble());
    }
  }

  @Test
  void otherFailures() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor a = Values.normal(1, DType.FLOAT32, 2, 3);
      TorchException.Other e =
          assertThrows(TorchException.Other.class, () -> a.select(0, 2).toFloats());
      assertEquals(
          "select(): index 2 out of range for tensor of size [2, 3] at dimension 0",
          e.getMessage());
    }
  }

  @Test
  void exceptionsOfJavaCodePass() {
    for (RuntimeException own :
        new RuntimeException[] {
          new IllegalArgumentException("a shape"),
          new NullPointerException("x is null"),
          new TorchException.Other("already translated"),
          new RuntimeException((String) null)
        }) {
      assertSame(own, NativeErrors.translate(own));
    }
  }

  @Test
  void nullPointersAreClosedTensors() {
    RuntimeException e =
        NativeErrors.translate(new NullPointerException("This pointer address is NULL."));
    assertInstanceOf(TorchException.ClosedTensor.class, e);
    assertEquals(
        "A closed or undefined tensor was given to an operation (This pointer address is NULL.).",
        e.getMessage());
  }

  @Test
  void cardsThatAreNotThere() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor a = Values.normal(1, DType.FLOAT32, 2);
      assertThrows(TorchException.class, () -> a.to(Device.cuda(99)));
    }
  }

  @Test
  void idsOutsideTheTable() {
    try (TensorScope scope = TensorScope.open("test")) {
      Tensor table = Values.normal(1, DType.FLOAT32, 4, 3);
      for (long id : new long[] {4, -1, Long.MAX_VALUE}) {
        Tensor ids = Creation.ofLongs(new long[] {2, id}, 2);
        assertEquals(
            "Token id "
                + id
                + " is outside the vocabulary: expected 0 to 3. Does the tokenizer belong to this"
                + " model?",
            assertThrows(IllegalArgumentException.class, () -> Ops.embedding(table, ids))
                .getMessage());
        assertThrows(TorchException.class, () -> Ops.embeddingUnchecked(table, ids));
        assertThrows(TorchException.class, () -> table.indexSelect(0, ids));
        assertThrows(TorchException.class, () -> table.gather(0, ids.reshape(2, 1)));
      }
    }
  }
}
