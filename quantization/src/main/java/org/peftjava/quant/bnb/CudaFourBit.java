package org.peftjava.quant.bnb;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.CardTensors;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.cuda.KernelLauncher;
import org.peftjava.torch.cuda.LaunchGrid;

/**
 * The arithmetic of one 4-bit weight in CUDA kernels. Up to {@value #MAX_ROWS} rows are multiplied
 * with float32 weights straight from the codes; for more the weight is made dense in one launch.
 */
final class CudaFourBit implements FourBitBackEnd {
  /** The most rows of x in a product straight from the codes. */
  static final int MAX_ROWS = 8;

  private static final int THREADS = 256;
  private static final int PRODUCT_THREADS = 128;

  private final KernelLauncher launcher;
  private final QuantState state;
  private final Parts parts;

  private CudaFourBit(KernelLauncher launcher, QuantState state, Parts parts) {
    this.launcher = launcher;
    this.state = state;
    this.parts = parts;
  }

  /** Empty if no kernels can read the tensors, which must stay open. */
  static Optional<CudaFourBit> of(QuantState state, Parts parts) {
    return CudaMemory.launcher(
            parts.packed(),
            parts.values(),
            parts.absmax(),
            parts.nestedAbsmax(),
            parts.nestedValues())
        .map(launcher -> new CudaFourBit(launcher, state, parts));
  }

  @Override
  public boolean dequantizeInto(Tensor out) {
    Optional<String> suffix = CardTensors.suffix(out.dtype());
    if (suffix.isEmpty() || !isReadable(out)) {
      return false;
    }
    // Two words of eight numbers for each thread.
    launch(
        "fourBitDequantize" + suffix.get(),
        LaunchGrid.over(out.numel(), 16, THREADS),
        out.numel(),
        out.address());
    return true;
  }

  @Override
  public Optional<Tensor> product(Tensor x, @Nullable Tensor bias) {
    Optional<String> suffix = CardTensors.suffix(x.dtype());
    long rows = state.shape().get(0);
    long columns = state.shape().get(1);
    long m = x.numel() / columns;
    if (suffix.isEmpty()
        || m < 1
        || m > MAX_ROWS
        || columns % 8 != 0
        || !CudaMemory.isAligned(parts.packed(), 4)
        || !isReadable(x)
        || !CudaMemory.isAligned(x, 16)
        || (bias != null && (bias.dtype() != x.dtype() || !isReadable(bias)))) {
      return Optional.empty();
    }
    Tensor y = Creation.empty(x.dtype(), x.device(), NativeMemory.withLast(x, rows));
    long padded = Math.max(1, Long.highestOneBit(2 * m - 1)); // 1, 2, 4 or 8
    launch(
        "fourBitProduct" + padded + suffix.get(),
        LaunchGrid.over(rows * 32, 1, PRODUCT_THREADS),
        rows,
        columns,
        x.address(),
        CudaMemory.address(bias),
        y.address(),
        m);
    return Optional.of(y);
  }

  /** Few rows are rare in training: the dense matrix serves all of it. */
  @Override
  public Optional<Tensor> inputGradient(Tensor gradient, DType rounded) {
    return Optional.empty();
  }

  private boolean isReadable(Tensor tensor) {
    return tensor.isContiguous() && tensor.device().equals(parts.packed().device());
  }

  /** Launches with the weight's own arguments before the others. */
  private void launch(String kernel, LaunchGrid grid, long... others) {
    boolean nested = parts.nestedAbsmax() != null;
    long[] own = {
      parts.packed().address(),
      nested ? 0 : parts.absmax().address(),
      nested ? parts.absmax().address() : 0,
      CudaMemory.address(parts.nestedAbsmax()),
      CudaMemory.address(parts.nestedValues()),
      KernelLauncher.argument(state.nestedOffset().orElse(0)),
      parts.values().address(),
      CudaBlockwise.shiftOf(state.blockSize())
    };
    long[] all = new long[own.length + others.length];
    System.arraycopy(own, 0, all, 0, own.length);
    System.arraycopy(others, 0, all, own.length, others.length);
    launcher.launch(kernel, grid, all);
  }
}
