package org.peftjava.quant.bnb;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.kernels.ElementType;
import org.peftjava.torch.kernels.RowwiseInt8Kernel;
import org.peftjava.torch.runtime.NativeRuntime;

/** The arithmetic of {@link RowwiseInt8} in native kernels, on the CPU. */
final class NativeInt8 {
  private NativeInt8() {}

  /** Writes {@code CB * SCB / 127} into a gapless (o, d) tensor; false if it cannot. */
  static boolean dequantizeInto(Tensor out, Tensor codes, Tensor absmax) {
    Optional<ElementType> type = NativeMemory.elementType(out.dtype());
    if (type.isEmpty() || !NativeMemory.covers(out, codes, absmax)) {
      return false;
    }
    RowwiseInt8Kernel.dequantize(
        codes.address(),
        absmax.address(),
        codes.size(0),
        codes.size(1),
        type.get(),
        out.address(),
        NativeRuntime.threads());
    return true;
  }

  /**
   * {@code x W^T + bias}, or transposed {@code x W}, with the weight rounded to x's type; empty if
   * it cannot without writing the dense weight to memory.
   *
   * @param x (..., d); (..., o) if transposed
   */
  static Optional<Tensor> denseProduct(
      Tensor x, Tensor codes, Tensor absmax, @Nullable Tensor bias, boolean transposed) {
    long n = codes.size(0);
    long k = codes.size(1);
    if (x.dtype() != DType.BFLOAT16
        || (bias != null && bias.dtype() != DType.BFLOAT16)
        || x.numel() == 0
        || !RowwiseInt8Kernel.coversDense(k)
        || !NativeMemory.covers(x, codes, absmax, bias)) {
      return Optional.empty();
    }
    Tensor y =
        Creation.empty(DType.BFLOAT16, Device.CPU, NativeMemory.withLast(x, transposed ? k : n));
    RowwiseInt8Kernel.denseProduct(
        codes.address(),
        absmax.address(),
        transposed,
        x.address(),
        bias == null ? 0 : bias.address(),
        y.address(),
        x.numel() / (transposed ? n : k),
        n,
        k,
        NativeRuntime.threads());
    return Optional.of(y);
  }

  /** {@link RowwiseInt8#product} for x (n, d); empty if it cannot. */
  static Optional<Tensor> product(
      Tensor x, Tensor codes, Tensor absmax, @Nullable Tensor bias, double threshold) {
    Optional<ElementType> type = NativeMemory.elementType(x.dtype());
    long k = codes.size(1);
    if (type.isEmpty()
        || k > RowwiseInt8Kernel.MAX_TERMS
        || !NativeMemory.covers(x, codes, absmax, bias)) {
      return Optional.empty();
    }
    long rows = x.size(0);
    Tensor xCodes = Creation.empty(DType.INT8, Device.CPU, rows, k);
    Tensor xAbsmax = Creation.empty(DType.FLOAT32, Device.CPU, rows);
    Tensor marks = threshold > 0 ? Creation.empty(DType.UINT8, Device.CPU, k) : null;
    RowwiseInt8Kernel.quantize(
        type.get(),
        x.address(),
        rows,
        k,
        threshold,
        xCodes.address(),
        xAbsmax.address(),
        marks == null ? 0 : marks.address(),
        NativeRuntime.threads());
    List<Long> outliers = marks == null ? List.of() : marked(marks);
    Tensor wideBias = bias == null ? null : bias.detach().to(DType.FLOAT32);
    // What outliers add comes before the rounding.
    ElementType result = outliers.isEmpty() ? type.get() : ElementType.FLOAT32;
    DType resultType = outliers.isEmpty() ? x.dtype() : DType.FLOAT32;
    Tensor y = Creation.empty(resultType, Device.CPU, rows, codes.size(0));
    RowwiseInt8Kernel.product(
        xCodes.address(),
        xAbsmax.address(),
        codes.address(),
        absmax.address(),
        wideBias == null ? 0 : wideBias.address(),
        result,
        y.address(),
        rows,
        codes.size(0),
        k,
        NativeRuntime.threads());
    if (!outliers.isEmpty()) {
      RowwiseInt8.addOutliers(y, x, codes, absmax, outliers);
    }
    return Optional.of(y.to(x.dtype()));
  }

  private static List<Long> marked(Tensor marks) {
    List<Long> result = new ArrayList<>();
    byte[] bytes = marks.toBytes();
    for (int column = 0; column < bytes.length; column++) {
      if (bytes[column] != 0) {
        result.add((long) column);
      }
    }
    return result;
  }
}
