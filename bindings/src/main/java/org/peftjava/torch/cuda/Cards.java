package org.peftjava.torch.cuda;

import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Stat;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch_cuda;

/** Memory of NVIDIA cards as libtorch's allocator counts it, and waiting for their work. */
public final class Cards {
  private Cards() {}

  /** Waits until a card has done all that was started on it. */
  public static void synchronize(int device) {
    torch.cuda_synchronize(device);
  }

  /** Bytes of tensors on a card. */
  public static long allocatedBytes(int device) {
    try (PointerScope scope = new PointerScope()) {
      return allocated(device).current();
    }
  }

  /** The most bytes of tensors at once since the start or {@link #resetPeak}. */
  public static long peakBytes(int device) {
    try (PointerScope scope = new PointerScope()) {
      return allocated(device).peak();
    }
  }

  /** Counts the peak from now on. */
  public static void resetPeak(int device) {
    try (PointerScope scope = new PointerScope()) {
      torch_cuda.getAllocator().resetPeakStats((byte) device);
    }
  }

  /** libtorch counts for small pools, for large ones, and first for all. */
  private static Stat allocated(int device) {
    return torch_cuda.getAllocator().getDeviceStats((byte) device).allocated_bytes();
  }
}
