package org.peftjava.torch;

import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch.DeviceType;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.runtime.NativeRuntime;

/** The only crossing between {@link Tensor} and libtorch's tensors. */
final class Natives {
  private static final Map<DType, TensorOptions> ON_CPU = new EnumMap<>(DType.class);

  /** As the operator's operands have it. */
  static final MemoryFormatOptional ANY_FORMAT;

  private static final TensorOptional NONE;

  static {
    NativeRuntime.ensureLoaded();
    try (PointerScope scope = new PointerScope()) {
      for (DType type : DType.values()) {
        ON_CPU.put(type, kept(new TensorOptions(type.scalarType())));
      }
      ANY_FORMAT = kept(new MemoryFormatOptional());
      NONE = kept(new TensorOptional());
    }
  }

  private Natives() {}

  /** Takes an object that is made once out of its scope, for the life of the process. */
  private static <P extends Pointer> P kept(P pointer) {
    return pointer.retainReference();
  }

  /** Runs an operator and owns its result. */
  static Tensor op(Supplier<org.bytedeco.pytorch.Tensor> operator) {
    try {
      return new Tensor(operator.get());
    } catch (RuntimeException e) {
      throw NativeErrors.translate(e);
    }
  }

  /** The same for a new tensor without gaps, of whose layout nothing need be asked. */
  static Tensor fresh(
      DType type, Device device, long[] sizes, Supplier<org.bytedeco.pytorch.Tensor> operator) {
    org.bytedeco.pytorch.Tensor handle = call(operator);
    return new Tensor(handle, new Layout(handle, type, device, sizes));
  }

  /** Runs code that returns no tensor. */
  static <T extends @Nullable Object> T call(Supplier<T> code) {
    try {
      return code.get();
    } catch (RuntimeException e) {
      throw NativeErrors.translate(e);
    }
  }

  /**
   * A whole number becomes an integer scalar, as in Python, so that integer tensors stay integers.
   */
  static Scalar scalar(double value) {
    long whole = (long) value;
    return Double.compare(whole, value) == 0 ? new Scalar(whole) : new Scalar(value);
  }

  static TensorOptions options(DType type, Device device) {
    TensorOptions options = Objects.requireNonNull(ON_CPU.get(type));
    return device.equals(Device.CPU)
        ? options
        : options.device(new org.bytedeco.pytorch.DeviceOptional(nativeDevice(device)));
  }

  static org.bytedeco.pytorch.Device nativeDevice(Device device) {
    return switch (device.type()) {
      case "cuda" -> new org.bytedeco.pytorch.Device(DeviceType.CUDA, (byte) device.index());
      case "meta" -> new org.bytedeco.pytorch.Device(DeviceType.Meta);
      default -> new org.bytedeco.pytorch.Device(DeviceType.CPU);
    };
  }

  static TensorOptional optional(@Nullable Tensor tensor) {
    return tensor == null ? NONE : new TensorOptional(tensor.handle());
  }

  static DoubleOptional optional(@Nullable Double value) {
    return value == null ? new DoubleOptional() : new DoubleOptional(value);
  }

  static TensorVector vector(Iterable<Tensor> tensors) {
    TensorVector vector = new TensorVector();
    for (Tensor tensor : tensors) {
      vector.push_back(tensor.handle());
    }
    return vector;
  }
}
