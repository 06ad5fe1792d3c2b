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
 * The arithmetic of one 4-bit weight in CUDA kernels. Products straight from the codes: up to
 * {@value #MAX_TILE_ROWS} rows on tensor cores, or, where these cannot, up to {@value #MAX_ROWS}
 * rows with float32 weights. For more the weight is made dense in one launch.
 */
final class CudaFourBit implements FourBitBackEnd {
  /** The most rows of x in a product straight from the codes without tensor cores. */
  static final int MAX_ROWS = 8;

  /** The most rows of x in a product straight from the codes on tensor cores. */
  static final int MAX_TILE_ROWS = 64;

  private static final int THREADS = 256;
  private static final int PRODUCT_THREADS = 128;

  /** Rows of the weight that a block of the tensor cores' kernel has. */
  private static final int TILE_HEIGHT = 32;

  /** The first compute capability whose tensor cores take fragments of bfloat16. */
  private static final int TENSOR_CORES = 80;

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
    if (!serves(x) || (bias != null && (bias.dtype() != x.dtype() || !isReadable(bias)))) {
      return Optional.empty();
    }
    long[] sizes = NativeMemory.withLast(x, state.shape().get(0));
    Tensor y = Creation.empty(x.dtype(), x.device(), sizes);
    productInto(y, x, bias);
    return Optional.of(y);
  }

  private boolean serves(Tensor x) {
    long columns = state.shape().get(1);
    long m = x.numel() / columns;
    boolean few = m <= MAX_ROWS && columns % 8 == 0 && CudaMemory.isAligned(parts.packed(), 4);
    return CardTensors.suffix(x.dtype()).isPresent()
        && m > 0
        && isReadable(x)
        && CudaMemory.isAligned(x, 16)
        && (few || hasTiles(x));
  }

  /** Whether the tensor cores' kernel can: its warps take 64 columns of one scale at a time. */
  private boolean hasTiles(Tensor x) {
    long columns = state.shape().get(1);
    return launcher.capability() >= TENSOR_CORES
        && x.dtype() != DType.FLOAT32
        && x.numel() <= MAX_TILE_ROWS * columns
        && columns % 64 == 0
        && state.blockSize() >= 64
        && CudaMemory.isAligned(parts.packed(), 16)
        && x.numel() <= Integer.MAX_VALUE
        && state.shape().numel() / 64 <= Integer.MAX_VALUE;
  }

  /** Writes the product into a gapless tensor. */
  void productInto(Tensor y, Tensor x, @Nullable Tensor bias) {
    long rows = state.shape().get(0);
    long columns = state.shape().get(1);
    long m = x.numel() / columns;
    String suffix = CardTensors.suffix(x.dtype()).orElseThrow();
    if (hasTiles(x)) {
      int groups = powerOf2((m + 7) / 8);
      int blocks = Math.toIntExact((rows + TILE_HEIGHT - 1) / TILE_HEIGHT);
      launch(
          "fourBitTiles" + groups + suffix,
          new LaunchGrid(blocks, 32 * warps(groups, blocks)),
          rows,
          columns,
          x.address(),
          CudaMemory.address(bias),
          y.address(),
          m,
          KernelLauncher.argument(units(state.type(), x.dtype())));
    } else {
      launch(
          "fourBitProduct" + powerOf2(m) + suffix,
          LaunchGrid.over(rows * 32, 1, PRODUCT_THREADS),
          rows,
          columns,
          x.address(),
          CudaMemory.address(bias),
          y.address(),
          m);
    }
  }

  /**
   * The warps of a block share its columns out. Few rows of x leave room for two blocks of eight on
   * a multiprocessor, whose beginnings and ends overlap, if there are so many blocks; 132 is what
   * an H100 has of these.
   */
  private static int warps(int groups, int blocks) {
    return switch (groups) {
      case 1, 2 -> blocks <= 160 ? 16 : 8;
      case 4 -> 12;
      default -> 8;
    };
  }

  /**
   * What the sixteen values are multiplied with before they are rounded to the type of x; results
   * are divided by it. FP4 has twelfths, which become exact. NF4's values come nearest to bfloat16
   * and float16 in these units: the root of the mean square of their errors is 3.3e-4 and 3.3e-5,
   * of a dense matrix 8.7e-4 and 1.09e-4.
   */
  private static double units(QuantType type, DType rounded) {
    return switch (type) {
      case FP4 -> 12;
      case NF4 -> rounded == DType.BFLOAT16 ? 1.437006 : 1.6776896;
    };
  }

  /** The least power of 2 that is no less. */
  private static int powerOf2(long n) {
    return Math.toIntExact(Long.highestOneBit(2 * n - 1));
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
