package org.peftjava.torch;

import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;

/**
 * A tensor's type, sizes, strides and place. Each is read from the native tensor when it is first
 * asked for and then kept, as nothing here changes them: a call into native code costs more than
 * most questions.
 */
final class Layout {
  private final org.bytedeco.pytorch.@Nullable Tensor handle;
  private final @Nullable Layout base;
  private final long offset;
  private @Nullable DType type;
  private @Nullable Boolean onCpu;
  private volatile @Nullable Device device;
  // volatile: several threads read the weights of a model
  private volatile long @Nullable [] sizes;
  private volatile long @Nullable [] strides;
  private volatile long address;

  Layout(org.bytedeco.pytorch.Tensor handle) {
    this.handle = handle;
    base = null;
    offset = 0;
  }

  /** That of a new tensor without gaps. */
  Layout(org.bytedeco.pytorch.Tensor handle, DType type, Device device, long[] sizes) {
    this.handle = handle;
    base = null;
    offset = 0;
    this.type = type;
    onCpu = device.equals(Device.CPU);
    this.device = device;
    this.sizes = sizes.clone();
    strides = withoutGaps(sizes);
  }

  /** That of a view of the memory behind {@code base}, from an element on. */
  private Layout(Layout base, long offset, long[] sizes, long[] strides) {
    handle = null;
    this.base = base;
    this.offset = offset;
    type = base.type();
    onCpu = base.isOnCpu();
    this.sizes = sizes;
    this.strides = strides;
  }

  /** The same of a view that has become a native tensor. */
  Layout alone(org.bytedeco.pytorch.Tensor view) {
    Layout result = new Layout(view);
    result.type = type;
    result.onCpu = onCpu;
    result.device = device;
    result.sizes = sizes;
    result.strides = strides;
    result.address = address;
    return result;
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
      known = DType.of(nativeTensor().scalar_type());
      type = known;
    }
    return known;
  }

  boolean isOnCpu() {
    Boolean known = onCpu;
    if (known == null) {
      known = nativeTensor().is_cpu();
      onCpu = known;
    }
    return known;
  }

  Device device() {
    Device known = device;
    if (known == null) {
      known = isOnCpu() ? Device.CPU : nativeDevice();
      device = known;
    }
    return known;
  }

  private Device nativeDevice() {
    try (org.bytedeco.pytorch.Device place = nativeTensor().device()) {
      return place.is_cuda() ? Device.cuda(place.index()) : new Device("meta", 0);
    }
  }

  /** The sizes; not to be changed. */
  long[] sizes() {
    long[] known = sizes;
    if (known == null) {
      org.bytedeco.pytorch.Tensor tensor = nativeTensor();
      known = new long[(int) tensor.dim()];
      for (int i = 0; i < known.length; i++) {
        known[i] = tensor.size(i);
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
        known[i] = nativeTensor().stride(i);
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
      known = base == null ? firstAddress() : base.address() + offset * type().byteSize();
      address = known;
    }
    return known;
  }

  private long firstAddress() {
    Pointer first = Natives.call(() -> nativeTensor().data_ptr());
    return first == null ? 0 : first.address();
  }

  private org.bytedeco.pytorch.Tensor nativeTensor() {
    if (handle == null) {
      throw new IllegalStateException("Of a view, everything is known.");
    }
    return handle;
  }

  /** Elements from that of the base to the first one. */
  long offset() {
    return offset;
  }

  /** Slices along one dimension; null where libtorch must say what is wrong. */
  @Nullable Layout narrowed(int dim, long start, long length) {
    long[] all = sizes().clone();
    int axis = dim < 0 ? dim + all.length : dim;
    if (axis < 0 || axis >= all.length || start < 0 || length < 1 || start > all[axis] - length) {
      return null;
    }
    all[axis] = length;
    return part(start * strides()[axis], all, strides());
  }

  /** Two dimensions exchanged; null as for {@link #narrowed}. */
  @Nullable Layout transposed(int first, int second) {
    int rank = sizes().length;
    int one = first < 0 ? first + rank : first;
    int other = second < 0 ? second + rank : second;
    if (Math.min(one, other) < 0 || Math.max(one, other) >= rank) {
      return null;
    }
    return part(0, swapped(sizes(), one, other), swapped(strides(), one, other));
  }

  /** Other sizes of the same elements; null where there are gaps, or a size is left open. */
  @Nullable Layout reshaped(long[] wanted) {
    long product = 1;
    for (long size : wanted) {
      if (size < 1) {
        return null;
      }
      product *= size;
    }
    return product == numel() && isContiguous()
        ? part(0, wanted.clone(), withoutGaps(wanted))
        : null;
  }

  private static long[] swapped(long[] values, int one, int other) {
    long[] result = values.clone();
    result[one] = values[other];
    result[other] = values[one];
    return result;
  }

  private @Nullable Layout part(long from, long[] newSizes, long[] newStrides) {
    return numel() == 0
        ? null
        : new Layout(base == null ? this : base, offset + from, newSizes, newStrides);
  }
}
