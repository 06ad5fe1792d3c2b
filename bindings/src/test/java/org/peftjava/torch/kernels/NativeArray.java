package org.peftjava.torch.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Random;
import org.bytedeco.javacpp.BytePointer;

/**
 * Native memory for a kernel, between two guard zones that {@link #close()} checks for overruns.
 */
final class NativeArray implements AutoCloseable {
  private static final int GUARD = 128;
  private static final byte FILL = (byte) 0xa5;

  private final ElementType type;
  private final int count;
  private final int start;
  private final ByteBuffer bytes;
  private final BytePointer pointer;

  private NativeArray(ElementType type, int count, int bytesPerElement) {
    this.type = type;
    this.count = count;
    // One element off any vector boundary: no kernel may rely on alignment.
    this.start = GUARD + bytesPerElement;
    int size = start + count * bytesPerElement + GUARD;
    this.bytes = ByteBuffer.allocateDirect(size).order(ByteOrder.nativeOrder());
    for (int i = 0; i < size; i++) {
      bytes.put(i, FILL);
    }
    this.pointer = new BytePointer(bytes);
  }

  static NativeArray of(ElementType type, float... values) {
    NativeArray array = new NativeArray(type, values.length, type.bytes());
    for (int i = 0; i < values.length; i++) {
      array.set(i, values[i]);
    }
    return array;
  }

  static NativeArray ofLongs(long... values) {
    NativeArray array = new NativeArray(ElementType.FLOAT32, values.length, Long.BYTES);
    for (int i = 0; i < values.length; i++) {
      array.bytes.putLong(array.start + i * Long.BYTES, values[i]);
    }
    return array;
  }

  static NativeArray ofBytes(byte... values) {
    NativeArray array = new NativeArray(ElementType.FLOAT32, values.length, 1);
    for (int i = 0; i < values.length; i++) {
      array.bytes.put(array.start + i, values[i]);
    }
    return array;
  }

  /** Room for this many float64 values. */
  static NativeArray ofDoubles(int count) {
    return new NativeArray(ElementType.FLOAT32, count, Double.BYTES);
  }

  /** Room of a type, filled with NaN so that an element left unwritten shows. */
  static NativeArray empty(ElementType type, int count) {
    float[] values = new float[count];
    Arrays.fill(values, Float.NaN);
    return of(type, values);
  }

  static float[] gaussian(int count, double scale, long seed) {
    Random random = new Random(seed);
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) (scale * random.nextGaussian());
    }
    return values;
  }

  long address() {
    return pointer.address() + start;
  }

  int count() {
    return count;
  }

  void set(int index, float value) {
    if (type == ElementType.FLOAT32) {
      bytes.putFloat(start + 4 * index, value);
    } else {
      bytes.putShort(
          start + 2 * index, (short) (Float.floatToRawIntBits(Bf16.round(value)) >>> 16));
    }
  }

  float get(int index) {
    return type == ElementType.FLOAT32
        ? bytes.getFloat(start + 4 * index)
        : Float.intBitsToFloat(bytes.getShort(start + 2 * index) << 16);
  }

  int getByte(int index) {
    return bytes.get(start + index);
  }

  double getDouble(int index) {
    return bytes.getDouble(start + Double.BYTES * index);
  }

  float[] toArray() {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = get(i);
    }
    return values;
  }

  /** The raw bits of every element. */
  int[] toBits() {
    int[] bits = new int[count];
    for (int i = 0; i < count; i++) {
      bits[i] = Float.floatToRawIntBits(get(i));
    }
    return bits;
  }

  @Override
  public void close() {
    for (int i = 0; i < start; i++) {
      if (i < GUARD) {
        assertEquals(FILL, bytes.get(i), "byte " + (i - start) + " before the array was written");
      }
    }
    for (int i = bytes.capacity() - GUARD; i < bytes.capacity(); i++) {
      assertEquals(FILL, bytes.get(i), "a byte behind the array was written");
    }
    pointer.close();
  }
}
