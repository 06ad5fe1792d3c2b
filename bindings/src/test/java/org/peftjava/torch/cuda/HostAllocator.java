package org.peftjava.torch.cuda;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.Pointer;

/** Ordinary memory in place of managed one, with a list of what was asked for. */
public final class HostAllocator implements ManagedAllocator {
  private static final int GARBAGE = 0xAB;

  private final Map<Long, Pointer> live = new HashMap<>();
  private final List<String> calls = new ArrayList<>();
  private boolean full;

  /** Makes all memory taken, or not. */
  public void full(boolean value) {
    full = value;
  }

  /** What was called, in order. */
  public List<String> calls() {
    return List.copyOf(calls);
  }

  /** Pieces that are not freed. */
  public int live() {
    return live.size();
  }

  @Override
  public long allocate(long bytes) {
    calls.add("allocate " + bytes);
    if (full) {
      return 0;
    }
    Pointer memory = Pointer.malloc(bytes);
    Pointer.memset(memory, GARBAGE, bytes);
    live.put(memory.address(), memory);
    return memory.address();
  }

  @Override
  public void prefetch(long address, long bytes) {
    if (!live.containsKey(address)) {
      throw new CudaException("cuMemPrefetchAsync failed: CUDA_ERROR_INVALID_VALUE.");
    }
    calls.add("prefetch " + bytes);
  }

  @Override
  public void free(long address) {
    calls.add("free");
    Pointer memory = live.remove(address);
    if (memory == null) {
      throw new CudaException("cuMemFree failed: CUDA_ERROR_INVALID_VALUE.");
    }
    Pointer.free(memory);
  }
}
