package org.peftjava.quant.bnb;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.kernels.ElementType;
import org.peftjava.torch.kernels.FourBitKernel;
import org.peftjava.torch.kernels.FourBitMatrix;
import org.peftjava.torch.kernels.FourBitMatrix.Memory;
import org.peftjava.torch.kernels.FourBitTileKernel;
import org.peftjava.torch.runtime.NativeRuntime;

/**
 * The arithmetic of one 4-bit weight in native kernels, on the CPU: the same numbers as those of
 * {@link BlockwiseQuantizer}, without a dense matrix where that is faster.
 *
 * <p>A few rows, as in decoding, are multiplied straight from the codes, with weights in float32
 * or, for bfloat16, in integers that are as good. More rows are multiplied with weights that are
 * made dense in the processor's caches, where it has AMX. For all else the answer is empty: make
 * the matrix dense.
 */
final class NativeFourBit implements FourBitBackEnd {
  private final FourBitMatrix matrix;

  private NativeFourBit(FourBitMatrix matrix) {
    this.matrix = matrix;
  }

  /** Empty if the kernels cannot read the tensors, which must stay open. */
  static Optional<NativeFourBit> of(QuantState state, Parts parts) {
    Tensor packed = parts.packed();
    Tensor nestedAbsmax = parts.nestedAbsmax();
    Tensor nestedValues = parts.nestedValues();
    if (!NativeMemory.covers(packed, parts.values(), parts.absmax(), nestedAbsmax, nestedValues)) {
      return Optional.empty();
    }
    Memory bytes = new Memory(packed.address(), packed.numel() * packed.dtype().byteSize());
    Memory table = memory(parts.values());
    long rows = state.shape().get(0);
    long columns = state.shape().get(1);
    FourBitMatrix matrix =
        nestedAbsmax == null || nestedValues == null
            ? FourBitMatrix.of(
                rows, columns, state.blockSize(), bytes, table, memory(parts.absmax()))
            : FourBitMatrix.nested(
                rows,
                columns,
                state.blockSize(),
                bytes,
                table,
                memory(parts.absmax()),
                memory(nestedAbsmax),
                memory(nestedValues),
                (float) state.nestedOffset().orElse(0));
    return Optional.of(new NativeFourBit(matrix));
  }

  private static Memory memory(Tensor tensor) {
    return new Memory(tensor.address(), tensor.numel());
  }

  @Override
  public boolean dequantizeInto(Tensor out) {
    Optional<ElementType> type = NativeMemory.elementType(out.dtype());
    if (type.isEmpty() || !NativeMemory.covers(out)) {
      return false;
    }
    FourBitKernel.dequantize(
        matrix, 0, out.numel(), type.get(), out.address(), NativeRuntime.threads());
    return true;
  }

  @Override
  public Optional<Tensor> product(Tensor x, @Nullable Tensor bias) {
    return multiply(x, bias, false);
  }

  @Override
  public Optional<Tensor> inputGradient(Tensor gradient, DType rounded) {
    boolean unrounded = rounded == DType.FLOAT32 || rounded == gradient.dtype();
    return unrounded ? multiply(gradient, null, true) : Optional.empty();
  }

  private Optional<Tensor> multiply(Tensor x, @Nullable Tensor bias, boolean transposed) {
    Optional<ElementType> type = NativeMemory.elementType(x.dtype());
    long in = transposed ? matrix.rows() : matrix.columns();
    long out = transposed ? matrix.columns() : matrix.rows();
    long m = x.numel() / in;
    boolean tiles = FourBitTileKernel.covers(matrix);
    boolean halfTiles = tiles && x.dtype() == DType.BFLOAT16;
    boolean few = m <= (halfTiles ? (transposed ? 0 : 3) : FourBitKernel.MAX_ROWS);
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
    } else if (!FourBitTileKernel.product(
        matrix,
        transposed,
        type.get(),
        x.address(),
        in,
        biasAddress,
        y.address(),
        out,
        m,
        threads)) {
      y.close();
      return Optional.empty();
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
