package org.peftjava.torch.kernels;

import java.util.Random;
import org.peftjava.torch.kernels.FourBitMatrix.Memory;

/** A random 4-bit matrix in native memory, and its numbers by the definition, one at a time. */
final class FourBitCase implements AutoCloseable {
  static final float[] NF4 = {
    -1.0f, -0.6961928f, -0.52507305f, -0.3949175f, -0.28444138f, -0.18477343f, -0.091050036f, 0.0f,
    0.0795803f, 0.1609302f, 0.2461123f, 0.33791524f, 0.44070983f, 0.562617f, 0.72295684f, 1.0f
  };
  static final float[] FP4 = {
    0, 1f / 192, 2f / 3, 1, 1f / 3, 0.5f, 1f / 6, 0.25f, 0, -1f / 192, -2f / 3, -1, -1f / 3, -0.5f,
    -1f / 6, -0.25f
  };
  private static final float OFFSET = 0.37f;

  private final int blockSize;
  private final boolean nested;
  private final float[] values;
  private final byte[] packed;
  private final byte[] codes;
  private final float[] scales;
  private final float[] nestedValues;
  private final NativeArray packedMemory;
  private final NativeArray valuesMemory;
  private final NativeArray absmaxMemory;
  private final NativeArray nestedAbsmaxMemory;
  private final NativeArray nestedValuesMemory;
  private final FourBitMatrix matrix;

  FourBitCase(int rows, int columns, int blockSize, boolean nested, long seed) {
    this(NF4, rows, columns, blockSize, nested, seed);
  }

  FourBitCase(float[] values, int rows, int columns, int blockSize, boolean nested, long seed) {
    Random random = new Random(seed);
    this.values = values;
    this.blockSize = blockSize;
    this.nested = nested;
    int count = rows * columns;
    int blocks = (count + blockSize - 1) / blockSize;
    packed = new byte[(count + 1) / 2];
    random.nextBytes(packed);
    codes = new byte[blocks];
    random.nextBytes(codes);
    scales = NativeArray.gaussian(nested ? (blocks + 255) / 256 : blocks, 0.3, seed);
    nestedValues = NativeArray.gaussian(256, 1, seed + 1);
    packedMemory = NativeArray.ofBytes(packed);
    valuesMemory = NativeArray.of(ElementType.FLOAT32, values);
    absmaxMemory =
        nested ? NativeArray.ofBytes(codes) : NativeArray.of(ElementType.FLOAT32, scales);
    nestedAbsmaxMemory = NativeArray.of(ElementType.FLOAT32, scales);
    nestedValuesMemory = NativeArray.of(ElementType.FLOAT32, nestedValues);
    matrix =
        nested
            ? FourBitMatrix.nested(
                rows,
                columns,
                blockSize,
                memory(packedMemory),
                memory(valuesMemory),
                memory(absmaxMemory),
                memory(nestedAbsmaxMemory),
                memory(nestedValuesMemory),
                OFFSET)
            : FourBitMatrix.of(
                rows,
                columns,
                blockSize,
                memory(packedMemory),
                memory(valuesMemory),
                memory(absmaxMemory));
  }

  private static Memory memory(NativeArray array) {
    return new Memory(array.address(), array.count());
  }

  FourBitMatrix matrix() {
    return matrix;
  }

  /** Element i in float32. */
  float get(int i) {
    int code = (packed[i / 2] >> (i % 2 == 0 ? 4 : 0)) & 15;
    return values[code] * scale(i);
  }

  /** The scale of element i. */
  float scale(int i) {
    int block = i / blockSize;
    return nested ? nestedValues[codes[block] & 255] * scales[block / 256] + OFFSET : scales[block];
  }

  int blockSize() {
    return blockSize;
  }

  @Override
  public void close() {
    packedMemory.close();
    valuesMemory.close();
    absmaxMemory.close();
    nestedAbsmaxMemory.close();
    nestedValuesMemory.close();
  }
}
