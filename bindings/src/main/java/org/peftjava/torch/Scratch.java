package org.peftjava.torch;

import java.util.EnumMap;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.global.torch;

/**
 * Large buffers that a thread keeps and reuses: a fresh allocation of that size faults every page
 * in, which costs more than the arithmetic on it. Not counted by the ledger, as an allocator's
 * cache is not.
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

  private static final ThreadLocal<Map<Purpose, org.bytedeco.pytorch.Tensor>> KEPT =
      ThreadLocal.withInitial(() -> new EnumMap<>(Purpose.class));

  private Scratch() {}

  /**
   * Memory for a weight (o, d) that is made dense for one product: contents arbitrary, valid until
   * this thread asks again, owned by the current scope. On the CPU it is kept.
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
    org.bytedeco.pytorch.Tensor buffer = KEPT.get().get(purpose);
    if (buffer == null || buffer.numel() < length) {
      if (buffer != null) {
        buffer.releaseReference();
      }
      buffer = allocate(length);
      KEPT.get().put(purpose, buffer);
    }
    org.bytedeco.pytorch.Tensor source = buffer;
    return Natives.op(() -> source.narrow(0, 0, length));
  }

  private static org.bytedeco.pytorch.Tensor allocate(long length) {
    try (PointerScope scope = new PointerScope()) {
      return torch
          .empty(
              new long[] {length},
              Natives.options(DType.FLOAT32, Device.CPU),
              new MemoryFormatOptional())
          .retainReference();
    }
  }
}
