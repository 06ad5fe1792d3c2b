package org.peftjava.torch;

import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;

/**
 * A tensor's type, sizes, strides and place. Each is read from the native tensor when it is first
 * asked for and then kept, as nothing here changes them: a call into native code costs more than
 * most questions.
 */
final class Layout {
  private final org.bytedeco.pytorch.Tensor handle;
  private @Nullable DType type;
  private @Nullable Boolean onCpu;
  // volatile: several threads read the weights of a model
  private volatile long @Nullable [] sizes;
  private volatile long @Nullable [] strides;
  private volatile long address;

  Layout(org.bytedeco.pytorch.Tensor handle) {
    this.handle = handle;
  }

  /** That of a new tensor without gaps. */
  Layout(org.bytedeco.pytorch.Tensor handle, DType type, Device device, long[] sizes) {
    this.handle = handle;
    this.type = type;
    onCpu = device.equals(Device.CPU);
    this.sizes = sizes.clone();
    strides = withoutGaps(sizes);
  }

  private static long[] withoutGaps(long[] sizes) {
    long[] strides = new long[sizes.length];
    long next = 1;
    for (int i = sizes.length - 1; i >= 0; i--) {
      strides[i] = next;
      next *= Math.max(1, sizes[i]);
    }
    return strides;
  }

  DType type() {
    DType known = type;
    if (known == null) {
      known = DType.of(handle.scalar_type());
      type = known;
    }
    return known;
  }

  boolean isOnCpu() {
    Boolean known = onCpu;
    if (known == null) {
      known = handle.is_cpu();
      onCpu = known;
    }
    return known;
  }

  /** The sizes; not to be changed. */
  long[] sizes() {
    long[] known = sizes;
    if (known == null) {
      known = new long[(int) handle.dim()];
      for (int i = 0; i < known.length; i++) {
        known[i] = handle.size(i);
      }
      sizes = known;
    }
    return known;
  }

  /** The strides; not to be changed. */
  long[] strides() {
    long[] known = strides;
    if (known == null) {
      known = new long[sizes().length];
      for (int i = 0; i < known.length; i++) {
        known[i] = handle.stride(i);
      }
      strides = known;
    }
    return known;
  }

  long numel() {
    long product = 1;
    for (long size : sizes()) {
      product *= size;
    }
    return product;
  }

  /** Whether the elements lie in row-major order without gaps, as libtorch sees it. */
  boolean isContiguous() {
    long[] all = sizes();
    long[] steps = strides();
    long next = 1;
    for (int i = all.length - 1; i >= 0; i--) {
      if (all[i] != 1 && steps[i] != next) {
        return numel() == 0;
      }
      next *= all[i];
    }
    return true;
  }

  /** Address of the first element, 0 if there is none. */
  long address() {
    long known = address;
    if (known == 0) {
      Pointer first = Natives.call(handle::data_ptr);
      known = first == null ? 0 : first.address();
      address = known;
    }
    return known;
  }
}
