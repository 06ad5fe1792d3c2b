package org.peftjava.transformers.checkpoint;

import java.util.List;
import java.util.Optional;
import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;

/**
 * A tensor as a pickle describes it: some elements of a storage.
 *
 * @param offset the first element
 * @param strides elements of the storage from one index of a dimension to the next
 */
record StoredTensor(Storage storage, long offset, Shape shape, List<Long> strides) {
  private static final int MAX_RANK = 64; // libtorch's operators take no more

  /**
   * A block of memory that tensors share.
   *
   * @param key its name in the file
   * @param numel its elements
   */
  record Storage(String key, DType dtype, long numel) {}

  /** Checks that the elements lie in the storage; else says what is wrong. */
  static Optional<String> problem(
      Storage storage, long offset, List<Long> sizes, List<Long> strides) {
    if (sizes.size() != strides.size() || sizes.size() > MAX_RANK) {
      return Optional.of(
          sizes.size() + " sizes and " + strides.size() + " strides; at most 64 of each are known");
    }
    try {
      long elements = 1;
      long last = offset;
      boolean empty = sizes.contains(0L);
      for (int i = 0; i < sizes.size(); i++) {
        if (sizes.get(i) < 0 || strides.get(i) < 0) {
          return Optional.of("negative sizes or strides: " + sizes + ", " + strides);
        }
        elements = Math.multiplyExact(elements, Math.max(sizes.get(i), 1));
        if (!empty) {
          last = Math.addExact(last, Math.multiplyExact(sizes.get(i) - 1, strides.get(i)));
        }
      }
      Math.multiplyExact(elements, 8);
      if (offset < 0 || (!empty && last >= storage.numel())) {
        return Optional.of(
            "elements "
                + offset
                + " to "
                + last
                + ", but its storage \""
                + storage.key()
                + "\" has "
                + storage.numel());
      }
      if (!empty && elements > storage.numel()) {
        return Optional.of(
            "shape "
                + sizes
                + " over a storage of "
                + storage.numel()
                + " elements, each used several times; call contiguous() before saving");
      }
      return Optional.empty();
    } catch (ArithmeticException e) {
      return Optional.of("sizes and strides that no memory can hold: " + sizes + ", " + strides);
    }
  }

  /** Whether the elements lie row by row without gaps. */
  boolean isContiguous() {
    long expected = 1;
    for (int i = shape.rank() - 1; i >= 0; i--) {
      if (shape.get(i) != 1 && strides.get(i) != expected) {
        return false;
      }
      expected *= shape.get(i);
    }
    return true;
  }

  /** The element after the last one, counted from the beginning of the storage. */
  long end() {
    if (shape.numel() == 0) {
      return offset;
    }
    long last = offset;
    for (int i = 0; i < shape.rank(); i++) {
      last += (shape.get(i) - 1) * strides.get(i);
    }
    return last + 1;
  }
}
