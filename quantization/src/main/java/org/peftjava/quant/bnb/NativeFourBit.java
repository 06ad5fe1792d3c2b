package org.peftjava.quant.bnb;

import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.quant.QuantizedWeight;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.kernels.ElementType;
import org.peftjava.torch.kernels.FourBitKernel;
import org.peftjava.torch.kernels.FourBitMatrix;
import org.peftjava.torch.kernels.FourBitMatrix.Memory;
import org.peftjava.torch.kernels.FourBitTileKernel;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.runtime.NativeRuntime;

/**
 * The arithmetic of one 4-bit weight in native kernels, on the CPU: the same numbers as those of
 * {@link BlockwiseQuantizer}, without a dense matrix where that is faster.
 *
 * <p>A few rows, as in decoding, are multiplied with float32 weights straight from the codes. More
 * rows of bfloat16 are multiplied with weights that are made dense in the processor's caches, where
 * it has AMX. For all else the answer is empty: make the matrix dense.
 */
final class NativeFourBit {
  private final FourBitMatrix matrix;

  private NativeFourBit(FourBitMatrix matrix) {
    this.matrix = matrix;
  }

  /**
   * Empty if the kernels cannot read the tensors, which must stay open.
   *
   * @param tensors as {@link FourBitWeight#state} has them
   */
  static Optional<NativeFourBit> of(QuantState state, Map<String, Parameter> tensors) {
    Tensor packed = tensor(tensors, "");
    Tensor values = tensor(tensors, ".quant_map");
    Tensor absmax = tensor(tensors, ".absmax");
    boolean nested = state.nestedOffset().isPresent();
    Tensor nestedAbsmax = nested ? tensor(tensors, ".nested_absmax") : null;
    Tensor nestedValues = nested ? tensor(tensors, ".nested_quant_map") : null;
    if (!NativeMemory.covers(packed, values, absmax, nestedAbsmax, nestedValues)) {
      return Optional.empty();
    }
    Memory bytes = new Memory(packed.address(), packed.numel() * packed.dtype().byteSize());
    Memory table = memory(values, DType.FLOAT32);
    long rows = state.shape().get(0);
    long columns = state.shape().get(1);
    FourBitMatrix matrix =
        nestedAbsmax == null || nestedValues == null
            ? FourBitMatrix.of(
                rows, columns, state.blockSize(), bytes, table, memory(absmax, DType.FLOAT32))
            : FourBitMatrix.nested(
                rows,
                columns,
                state.blockSize(),
                bytes,
                table,
                memory(absmax, DType.UINT8),
                memory(nestedAbsmax, DType.FLOAT32),
                memory(nestedValues, DType.FLOAT32),
                (float) state.nestedOffset().orElse(0));
    return Optional.of(new NativeFourBit(matrix));
  }

  private static Tensor tensor(Map<String, Parameter> tensors, String name) {
    return Objects.requireNonNull(tensors.get(QuantizedWeight.WEIGHT + name), name).tensor();
  }

  private static Memory memory(Tensor tensor, DType type) {
    if (tensor.dtype() != type) {
      throw new IllegalArgumentException(
          "A part of a 4-bit weight has type " + tensor.dtype() + ". Expected " + type + ".");
    }
    return new Memory(tensor.address(), tensor.numel());
  }

  /** Writes the dense matrix into a gapless tensor of as many elements; false if it cannot. */
  boolean dequantizeInto(Tensor out) {
    Optional<ElementType> type = NativeMemory.elementType(out.dtype());
    if (type.isEmpty() || !NativeMemory.covers(out)) {
      return false;
    }
    FourBitKernel.dequantize(
        matrix, 0, out.numel(), type.get(), out.address(), NativeRuntime.threads());
    return true;
  }

  /** {@code x W^T + bias} outside the graph, for x and a bias of one type. */
  Optional<Tensor> product(Tensor x, @Nullable Tensor bias) {
    return multiply(x, bias, false);
  }

  /**
   * {@code gradient W} outside the graph.
   *
   * @param rounded the type that weights are rounded to before
   */
  Optional<Tensor> inputGradient(Tensor gradient, DType rounded) {
    boolean unrounded = rounded == DType.FLOAT32 || rounded == gradient.dtype();
    return unrounded ? multiply(gradient, null, true) : Optional.empty();
  }

  private Optional<Tensor> multiply(Tensor x, @Nullable Tensor bias, boolean transposed) {
    Optional<ElementType> type = NativeMemory.elementType(x.dtype());
    long in = transposed ? matrix.rows() : matrix.columns();
    long out = transposed ? matrix.columns() : matrix.rows();
    long m = x.numel() / in;
    boolean tiles = x.dtype() == DType.BFLOAT16 && FourBitTileKernel.covers(matrix);
    boolean few = m <= (tiles ? (transposed ? 0 : 3) : FourBitKernel.MAX_ROWS);
    if (type.isEmpty()
        || x.numel() == 0
        || !(few || tiles)
        || !NativeMemory.covers(x, bias)
        || (bias != null && bias.dtype() != x.dtype())) {
      return Optional.empty();
    }
    Tensor y = Creation.empty(x.dtype(), Device.CPU, NativeMemory.withLast(x, out));
    long biasAddress = bias == null ? 0 : bias.address();
    int threads = NativeRuntime.threads();
    if (few) {
      FourBitKernel.product(
          matrix,
          transposed,
          type.get(),
          x.address(),
          in,
          biasAddress,
          y.address(),
          out,
          (int) m,
          threads);
    } else {
      FourBitTileKernel.product(
          matrix, transposed, x.address(), in, biasAddress, y.address(), out, m, threads);
    }
    return Optional.of(y);
  }

  /**
   * Quantizes some numbers as {@link BlockwiseQuantizer} does; false if it cannot.
   *
   * @param x gapless, of a floating-point type
   * @param codes uint8, two codes each
   * @param absmax float32, one for each block
   */
  static boolean quantize(CodeBook book, int blockSize, Tensor x, Tensor codes, Tensor absmax) {
    if (book.bits() != 4 || !NativeMemory.covers(x, codes, absmax)) {
      return false;
    }
    // float16 fits into float32, and float64 is rounded to it anyway.
    Tensor source = x.dtype() == DType.BFLOAT16 ? x : x.to(DType.FLOAT32);
    FourBitKernel.quantize(
        book.rule(),
        NativeMemory.elementType(source.dtype()).orElseThrow(),
        source.address(),
        source.numel(),
        blockSize,
        codes.address(),
        absmax.address(),
        NativeRuntime.threads());
    return true;
  }
}
