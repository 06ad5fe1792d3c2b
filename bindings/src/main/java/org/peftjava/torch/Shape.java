package org.peftjava.torch;

import java.util.Arrays;

/** The sizes of a tensor, outermost dimension first. Prints as "[2, 3]". */
public final class Shape {
  private final long[] sizes;

  private Shape(long[] sizes) {
    this.sizes = sizes;
  }

  /** The shape with these sizes. */
  public static Shape of(long... sizes) {
    return new Shape(sizes.clone());
  }

  /** Number of dimensions. */
  public int rank() {
    return sizes.length;
  }

  /** Size of one dimension; a negative number counts from the end. */
  public long get(int dim) {
    int index = dim < 0 ? dim + sizes.length : dim;
    if (index < 0 || index >= sizes.length) {
      throw new IndexOutOfBoundsException(
          "Dimension " + dim + " of shape " + this + " does not exist.");
    }
    return sizes[index];
  }

  /** Number of elements. */
  public long numel() {
    long product = 1;
    for (long size : sizes) {
      product = Math.multiplyExact(product, size);
    }
    return product;
  }

  /** The sizes as a fresh array. */
  public long[] toArray() {
    return sizes.clone();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Shape shape && Arrays.equals(sizes, shape.sizes);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(sizes);
  }

  @Override
  public String toString() {
    return Arrays.toString(sizes);
  }
}
