package org.peftjava.torch.kernels;

/** Checks of what a kernel is called with: a wrong address would end the process. */
final class Arguments {
  private Arguments() {}

  /** Requires the library and a sensible number of threads. */
  static void call(String kernel, int threads) {
    NativeKernels.requireAvailable();
    if (threads < 1) {
      throw new IllegalArgumentException(
          kernel + ": threads must be positive, got " + threads + ".");
    }
  }

  /** Requires each address to be non-zero, unless there is nothing to read or write. */
  static void addresses(String kernel, long elements, long... addresses) {
    for (long address : addresses) {
      if (address == 0 && elements > 0) {
        throw new IllegalArgumentException(
            kernel + ": address is 0; expected native memory. Is a tensor closed?");
      }
    }
  }

  /** Requires a size that is not negative. */
  static void size(String kernel, String name, long value) {
    if (value < 0) {
      throw new IllegalArgumentException(
          kernel + ": " + name + " must not be negative, got " + value + ".");
    }
  }

  /** Requires rows of a width not to overlap. */
  static void stride(String kernel, String name, long stride, long width) {
    if (stride < width) {
      throw new IllegalArgumentException(
          kernel
              + ": "
              + name
              + " must be at least the row's width "
              + width
              + ", got "
              + stride
              + ".");
    }
  }

  /** Requires lists of one length. */
  static void sameLength(String kernel, long[] counts, long[]... lists) {
    for (long[] list : lists) {
      if (list.length != counts.length) {
        throw new IllegalArgumentException(
            kernel + ": got " + list.length + " addresses for " + counts.length + " counts.");
      }
    }
    for (int i = 0; i < counts.length; i++) {
      size(kernel, "count", counts[i]);
      for (long[] list : lists) {
        addresses(kernel, counts[i], list[i]);
      }
    }
  }
}
