package org.peftjava.torch.kernels;

/** An element type that the kernels read and write. */
public enum ElementType {
  /** IEEE binary32. */
  FLOAT32(4),
  /** The upper half of an IEEE binary32. */
  BFLOAT16(2);

  private final int bytes;

  ElementType(int bytes) {
    this.bytes = bytes;
  }

  /** Bytes of one element. */
  public int bytes() {
    return bytes;
  }

  /** The code that element.h gives this type. */
  int code() {
    return this == FLOAT32 ? 0 : 1;
  }
}
