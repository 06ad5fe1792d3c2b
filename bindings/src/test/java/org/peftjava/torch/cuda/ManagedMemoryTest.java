package org.peftjava.torch.cuda;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Who owns managed memory, and until when. */
class ManagedMemoryTest {
  private final HostAllocator allocator = new HostAllocator();

  @Test
  void isFreedOnce() {
    ManagedMemory memory = ManagedMemory.allocate(allocator, 12).orElseThrow();
    try (memory) {
      assertEquals(12, memory.bytes());
      assertNotEquals(0, memory.address());
      memory.prefetch();
      assertEquals(1, allocator.live());
    }
    memory.close();
    assertEquals(List.of("allocate 12", "prefetch 12", "free"), allocator.calls());
    assertEquals(0, allocator.live());
  }

  @Test
  void isNotUsedAfterwards() {
    ManagedMemory memory = ManagedMemory.allocate(allocator, 12).orElseThrow();
    memory.close();
    String message = assertThrows(IllegalStateException.class, memory::address).getMessage();
    assertTrue(message.contains("12 bytes of managed memory were freed"), message);
    assertThrows(IllegalStateException.class, memory::prefetch);
    assertEquals(List.of("allocate 12", "free"), allocator.calls());
  }

  @Test
  void isEmptyWhereThereIsNoRoom() {
    allocator.full(true);
    assertEquals(Optional.empty(), ManagedMemory.allocate(allocator, 1L << 50));
    assertThrows(IllegalArgumentException.class, () -> ManagedMemory.allocate(allocator, 0));
    assertEquals(List.of("allocate " + (1L << 50)), allocator.calls());
  }

  /** After a kernel has failed the driver refuses everything: the first error is the one to see. */
  @Test
  void closingDoesNotHideAnotherError() {
    ManagedMemory memory = ManagedMemory.allocate(allocator, 12).orElseThrow();
    allocator.free(memory.address());
    assertDoesNotThrow(memory::close);
    assertDoesNotThrow(memory::close);
    assertEquals(List.of("allocate 12", "free", "free"), allocator.calls());
  }
}
