package org.peftjava.torch.kernels;

/**
 * Where a (rows, columns) matrix of 4-bit codes with block scales lies in native memory.
 *
 * <p>Elements are in row-major order, two to a byte, the first in the high half. Blocks of
 * consecutive elements, across rows, share a scale: {@code x = values[code] absmax[block]}. With
 * double quantization the scale is {@code nestedValues[absmax[block]] nestedAbsmax[block / 256] +
 * offset}. Sizes are checked here; the memory must stay alive while a kernel runs.
 */
public final class FourBitMatrix {
  private static final String NAME = "FourBitMatrix";

  /** Blocks of scales that share a scale of their own. */
  public static final int NESTED_BLOCK_SIZE = 256;

  private final long rows;
  private final long columns;
  private final long[] descriptor;

  /**
   * Some numbers in native memory.
   *
   * @param address of the first
   * @param count how many there are
   */
  public record Memory(long address, long count) {}

  private FourBitMatrix(long rows, long columns, long[] descriptor) {
    this.rows = rows;
    this.columns = columns;
    this.descriptor = descriptor;
  }

  /**
   * A matrix with float32 scales.
   *
   * @param blockSize a power of two, 32 to 4096
   * @param packed uint8, (rows * columns + 1) / 2
   * @param values float32, 16
   * @param absmax float32, one for each block
   */
  public static FourBitMatrix of(
      long rows, long columns, int blockSize, Memory packed, Memory values, Memory absmax) {
    long blocks = check(rows, columns, blockSize, packed, values);
    size("absmax", absmax, blocks);
    return matrix(rows, columns, blockSize, packed, values, absmax.address, 0, 0, 0, 0);
  }

  /**
   * A matrix with 8-bit scales.
   *
   * @param blockSize a power of two, 32 to 4096
   * @param packed uint8, (rows * columns + 1) / 2
   * @param values float32, 16
   * @param absmax uint8, one for each block
   * @param nestedAbsmax float32, one for {@link #NESTED_BLOCK_SIZE} blocks
   * @param nestedValues float32, 256
   */
  public static FourBitMatrix nested(
      long rows,
      long columns,
      int blockSize,
      Memory packed,
      Memory values,
      Memory absmax,
      Memory nestedAbsmax,
      Memory nestedValues,
      float offset) {
    long blocks = check(rows, columns, blockSize, packed, values);
    size("absmax", absmax, blocks);
    size("nestedAbsmax", nestedAbsmax, (blocks + NESTED_BLOCK_SIZE - 1) / NESTED_BLOCK_SIZE);
    size("nestedValues", nestedValues, 256);
    return matrix(
        rows,
        columns,
        blockSize,
        packed,
        values,
        0,
        absmax.address,
        nestedValues.address,
        nestedAbsmax.address,
        Float.floatToRawIntBits(offset));
  }

  private static FourBitMatrix matrix(
      long rows, long columns, int blockSize, Memory packed, Memory values, long... rest) {
    long[] descriptor = new long[rest.length + 3];
    descriptor[0] = packed.address;
    descriptor[1] = values.address;
    System.arraycopy(rest, 0, descriptor, 2, rest.length);
    descriptor[descriptor.length - 1] = FourBitKernel.shiftOf(blockSize);
    return new FourBitMatrix(rows, columns, descriptor);
  }

  /** Returns the number of blocks. */
  private static long check(long rows, long columns, int blockSize, Memory packed, Memory values) {
    Arguments.size(NAME, "rows", rows);
    Arguments.size(NAME, "columns", columns);
    FourBitKernel.shiftOf(blockSize);
    long count = Math.multiplyExact(rows, columns);
    size("packed", packed, count / 2 + count % 2);
    size("values", values, 16);
    return count / blockSize + (count % blockSize == 0 ? 0 : 1);
  }

  private static void size(String name, Memory memory, long expected) {
    if (memory.count != expected) {
      throw new IllegalArgumentException(
          NAME + ": there are " + memory.count + " " + name + ". Expected " + expected + ".");
    }
    Arguments.addresses(NAME, expected, memory.address);
  }

  /** Rows. */
  public long rows() {
    return rows;
  }

  /** Columns. */
  public long columns() {
    return columns;
  }

  /** Elements that share a scale. */
  int blockSize() {
    return 1 << descriptor[descriptor.length - 1];
  }

  /** What quant_kernels.h takes. */
  long[] descriptor() {
    return descriptor;
  }
}
