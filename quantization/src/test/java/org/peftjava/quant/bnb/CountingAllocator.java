package org.peftjava.quant.bnb;

import java.util.LinkedHashMap;
import java.util.Map;
import org.peftjava.torch.cuda.ManagedAllocator;

/** Another allocator, with counts of what it gave, and with an end. */
final class CountingAllocator implements ManagedAllocator {
  private final ManagedAllocator memory;
  private final Map<Long, Long> live = new LinkedHashMap<>();
  private int allowed = Integer.MAX_VALUE;
  private int prefetches;

  CountingAllocator(ManagedAllocator memory) {
    this.memory = memory;
  }

  /** Has room for so many more pieces. */
  void allow(int pieces) {
    allowed = pieces;
  }

  /** Sizes of pieces that are not freed, by their addresses. */
  Map<Long, Long> live() {
    return Map.copyOf(live);
  }

  int prefetches() {
    return prefetches;
  }

  @Override
  public long allocate(long bytes) {
    if (allowed == 0) {
      return 0;
    }
    allowed--;
    long address = memory.allocate(bytes);
    live.put(address, bytes);
    return address;
  }

  @Override
  public void prefetch(long address, long bytes) {
    if (!Long.valueOf(bytes).equals(live.get(address))) {
      throw new AssertionError(
          "Prefetches " + bytes + " bytes where " + live.get(address) + " are");
    }
    prefetches++;
    memory.prefetch(address, bytes);
  }

  @Override
  public void free(long address) {
    if (live.remove(address) == null) {
      throw new AssertionError("Frees what is not there");
    }
    memory.free(address);
  }
}
