package org.peftjava.torch;

import java.nio.file.Path;
import java.util.List;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.peftjava.torch.runtime.NativeRuntime;

/** New tensors, from constants, Java arrays, random numbers and files. */
public final class Creation {
  static {
    NativeRuntime.ensureLoaded();
  }

  private Creation() {}

  /** Memory with arbitrary contents. */
  public static Tensor empty(DType type, Device device, long... sizes) {
    return Natives.fresh(
        type,
        device,
        sizes,
        () -> torch.empty(sizes, Natives.options(type, device), Natives.ANY_FORMAT));
  }

  /** All zeros, on the CPU. */
  public static Tensor zeros(DType type, long... sizes) {
    return zeros(type, Device.CPU, sizes);
  }

  /** All zeros. */
  public static Tensor zeros(DType type, Device device, long... sizes) {
    return Natives.fresh(
        type, device, sizes, () -> torch.zeros(sizes, Natives.options(type, device)));
  }

  /** All ones, on the CPU. */
  public static Tensor ones(DType type, long... sizes) {
    return full(type, 1, sizes);
  }

  /** One value everywhere, on the CPU. */
  public static Tensor full(DType type, double value, long... sizes) {
    return Natives.op(
        () -> torch.full(sizes, Natives.scalar(value), Natives.options(type, Device.CPU)));
  }

  /** The integers from {@code start} to {@code end}, the latter excluded, as int64. */
  public static Tensor arange(long start, long end, Device device) {
    return Natives.op(
        () ->
            torch.arange(
                new org.bytedeco.pytorch.Scalar(start),
                new org.bytedeco.pytorch.Scalar(end),
                Natives.options(DType.INT64, device)));
  }

  /** Independent standard normal numbers. */
  public static Tensor randn(DType type, long... sizes) {
    return Natives.op(() -> torch.randn(sizes, Natives.options(type, Device.CPU)));
  }

  /** The numbers below n in random order, int64. */
  public static Tensor randperm(long n) {
    return Natives.op(() -> torch.randperm(n, Natives.options(DType.INT64, Device.CPU)));
  }

  /** A float32 tensor with these values, row-major; the sizes must multiply to their number. */
  public static Tensor ofFloats(float[] values, long... sizes) {
    checkLength(values.length, sizes);
    Tensor tensor = empty(DType.FLOAT32, Device.CPU, sizes);
    if (values.length > 0) {
      new FloatPointer(tensor.handle().data_ptr_float()).put(values);
    }
    return tensor;
  }

  /** An int64 tensor with these values, row-major; the sizes must multiply to their number. */
  public static Tensor ofLongs(long[] values, long... sizes) {
    checkLength(values.length, sizes);
    Tensor tensor = empty(DType.INT64, Device.CPU, sizes);
    if (values.length > 0) {
      new LongPointer(tensor.handle().data_ptr_long()).put(values);
    }
    return tensor;
  }

  /** An int64 matrix; all rows must have the same length. */
  public static Tensor ofLongs(long[][] rows) {
    int width = rows.length == 0 ? 0 : rows[0].length;
    long[] flat = new long[rows.length * width];
    for (int i = 0; i < rows.length; i++) {
      if (rows[i].length != width) {
        throw new IllegalArgumentException(
            "Row "
                + i
                + " has "
                + rows[i].length
                + " elements, row 0 has "
                + width
                + ". Pad the rows to one length.");
      }
      System.arraycopy(rows[i], 0, flat, i * width, width);
    }
    return ofLongs(flat, rows.length, width);
  }

  /** A uint8 tensor with these bytes. */
  public static Tensor ofBytes(byte[] values, long... sizes) {
    checkLength(values.length, sizes);
    Tensor tensor = empty(DType.UINT8, Device.CPU, sizes);
    if (values.length > 0) {
      new BytePointer(tensor.handle().data_ptr()).put(values);
    }
    return tensor;
  }

  /**
   * Maps the bytes of a file as a uint8 vector, without reading them. Changes to the tensor do not
   * reach the file. The mapping lives as long as a tensor uses it.
   */
  public static Tensor mapFile(Path file, long bytes) {
    TensorOptions options = Natives.options(DType.UINT8, Device.CPU);
    return Natives.op(
        () ->
            torch.from_file(
                file.toAbsolutePath().toString(),
                new BoolOptional(false),
                new LongOptional(bytes),
                options));
  }

  /** Joins tensors along an existing dimension. */
  public static Tensor cat(List<Tensor> tensors, int dim) {
    return Natives.op(() -> torch.cat(Natives.vector(tensors), dim));
  }

  /** Joins tensors along a new dimension. */
  public static Tensor stack(List<Tensor> tensors, int dim) {
    return Natives.op(() -> torch.stack(Natives.vector(tensors), dim));
  }

  private static void checkLength(int length, long[] sizes) {
    Shape shape = Shape.of(sizes);
    if (shape.numel() != length) {
      throw new IllegalArgumentException(
          "Shape " + shape + " needs " + shape.numel() + " elements, got " + length + ".");
    }
  }
}
