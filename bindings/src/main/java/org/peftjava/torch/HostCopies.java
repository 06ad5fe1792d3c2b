package org.peftjava.torch;

import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.LongPointer;

/** Copies between tensors and Java arrays. */
final class HostCopies {
  private HostCopies() {}

  static float[] floats(Tensor tensor) {
    float[] values = new float[length(tensor, 1)];
    if (values.length == 0) {
      return values; // an empty tensor has no address
    }
    try (TensorScope scope = TensorScope.open("toFloats")) {
      Tensor host = detached(tensor).to(Device.CPU).to(DType.FLOAT32).contiguous();
      new FloatPointer(host.handle().data_ptr_float()).get(values);
    }
    return values;
  }

  static long[] longs(Tensor tensor) {
    long[] values = new long[length(tensor, 1)];
    if (values.length == 0) {
      return values; // an empty tensor has no address
    }
    try (TensorScope scope = TensorScope.open("toLongs")) {
      Tensor host = detached(tensor).to(Device.CPU).to(DType.INT64).contiguous();
      new LongPointer(host.handle().data_ptr_long()).get(values);
    }
    return values;
  }

  static byte[] bytes(Tensor tensor) {
    byte[] values = new byte[length(tensor, tensor.dtype().byteSize())];
    if (values.length == 0) {
      return values; // an empty tensor has no address
    }
    try (TensorScope scope = TensorScope.open("toBytes")) {
      Tensor host = detached(tensor).to(Device.CPU).contiguous();
      new BytePointer(host.handle().data_ptr()).get(values);
    }
    return values;
  }

  private static Tensor detached(Tensor tensor) {
    return tensor.requiresGrad() ? tensor.detach() : tensor;
  }

  private static int length(Tensor tensor, int bytesPerElement) {
    long length = tensor.numel() * bytesPerElement;
    if (length > Integer.MAX_VALUE - 8) {
      throw new IllegalArgumentException(
          "A tensor of shape "
              + tensor.shape()
              + " does not fit into one Java array. Copy parts of"
              + " it with narrow(...).");
    }
    return (int) length;
  }
}
