package org.peftjava.torch;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.EnumMap;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * Large buffers that are kept and reused: a fresh allocation of that size faults every page in,
 * which costs more than the arithmetic on it. Not counted by the ledger, as an allocator's cache is
 * not.
 *
 * <p>A thread has a buffer until its outermost scope ends; then another thread may take it. So
 * there are as many as threads compute at once, however many come and go, and as many as there are
 * processors stay.
 */
public final class Scratch {
  /** What a buffer is for; two purposes may be in use at once, one purpose only once. */
  enum Purpose {
    /** A quantized weight made dense. */
    DENSE_WEIGHT,
    /** Float32 copy of a block of 16-bit weights. */
    WIDENED_WEIGHT,
    /** Logits of some rows, and then their gradient. */
    LOGITS,
    /** An input after dropout. */
    DROPPED
  }

  private static final int MOST_FREE = Math.max(2, Runtime.getRuntime().availableProcessors());

  private static final ThreadLocal<@Nullable Map<Purpose, org.bytedeco.pytorch.Tensor>> TAKEN =
      new ThreadLocal<>();

  /** Buffers that no thread has, the last one given back first; guarded by this map. */
  private static final Map<Purpose, Deque<org.bytedeco.pytorch.Tensor>> FREE =
      new EnumMap<>(Purpose.class);

  private Scratch() {}

  /**
   * Memory for a weight (o, d) that is made dense for one product: contents arbitrary, valid until
   * this thread asks again or its outermost scope ends, owned by the current scope. On the CPU it
   * is kept.
   */
  public static Tensor denseWeight(DType type, Device device, Shape shape) {
    if (device.isCuda()) {
      return Creation.empty(type, device, shape.toArray());
    }
    try (TensorScope scope = TensorScope.open("dense weight")) {
      long bytes = shape.numel() * type.byteSize();
      Tensor floats = floats(Purpose.DENSE_WEIGHT, (bytes + 3) / 4);
      return scope.keep(floats.viewAs(type).narrow(0, 0, shape.numel()).reshape(shape.toArray()));
    }
  }

  /** A float32 vector of this length, contents arbitrary, valid until this thread asks again. */
  static Tensor floats(Purpose purpose, long length) {
    Map<Purpose, org.bytedeco.pytorch.Tensor> taken = TAKEN.get();
    if (taken == null) {
      taken = new EnumMap<>(Purpose.class);
      TAKEN.set(taken);
    }
    org.bytedeco.pytorch.Tensor buffer = taken.remove(purpose);
    if (buffer == null) {
      buffer = free(purpose);
    }
    if (buffer == null || buffer.numel() < length) {
      if (buffer != null) {
        buffer.releaseReference();
      }
      buffer = allocate(length);
    }
    taken.put(purpose, buffer);
    org.bytedeco.pytorch.Tensor source = buffer;
    return Natives.op(() -> source.narrow(0, 0, length));
  }

  private static org.bytedeco.pytorch.@Nullable Tensor free(Purpose purpose) {
    synchronized (FREE) {
      Deque<org.bytedeco.pytorch.Tensor> free = FREE.get(purpose);
      return free == null ? null : free.poll();
    }
  }

  /** Takes back what this thread has: its outermost scope ends. */
  static void giveBack() {
    Map<Purpose, org.bytedeco.pytorch.Tensor> taken = TAKEN.get();
    if (taken != null) {
      TAKEN.remove();
      taken.forEach(Scratch::giveBack);
    }
  }

  private static void giveBack(Purpose purpose, org.bytedeco.pytorch.Tensor buffer) {
    synchronized (FREE) {
      Deque<org.bytedeco.pytorch.Tensor> free =
          FREE.computeIfAbsent(purpose, key -> new ArrayDeque<>());
      if (free.size() < MOST_FREE) {
        free.push(buffer);
        return;
      }
    }
    buffer.releaseReference();
  }

  /** Buffers for a purpose that no thread has. */
  static int freeBuffers(Purpose purpose) {
    synchronized (FREE) {
      return FREE.getOrDefault(purpose, new ArrayDeque<>()).size();
    }
  }

  private static org.bytedeco.pytorch.Tensor allocate(long length) {
    try (PointerScope scope = new PointerScope()) {
      return torch
          .empty(
              new long[] {length}, Natives.options(DType.FLOAT32, Device.CPU), Natives.ANY_FORMAT)
          .retainReference();
    }
  }
}
