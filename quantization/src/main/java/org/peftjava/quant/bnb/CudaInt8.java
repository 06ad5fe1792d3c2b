package org.peftjava.quant.bnb;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.CardTensors;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.MatrixOps;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.cuda.KernelLauncher;
import org.peftjava.torch.cuda.LaunchGrid;

/**
 * The arithmetic of {@link RowwiseInt8} in CUDA kernels. The host waits for nothing: which columns
 * hold outliers is known to the card only, and the kernel that finishes a product adds them.
 */
final class CudaInt8 {
  private static final int THREADS = 256;
  private static final int TILE = 32;

  /** Products of two codes whose sum an int32 holds, in whatever order. */
  private static final long MAX_TERMS = Integer.MAX_VALUE / (127 * 127);

  /** Up to so many rows one kernel does all of a product; cuBLAS multiplies more. */
  private static final long FEW_ROWS = 16;

  /** Eight rows for each of 65535 blocks in the grid's second dimension. */
  private static final long MAX_ROWS = 8L * 65535;

  private CudaInt8() {}

  /** Writes {@code CB * SCB / 127} into a gapless (o, d) tensor; false if it cannot. */
  static boolean dequantizeInto(Tensor out, Tensor codes, Tensor absmax) {
    Optional<String> suffix = CardTensors.suffix(out.dtype());
    Optional<KernelLauncher> launcher = CudaMemory.launcher(out, codes, absmax);
    if (suffix.isEmpty() || launcher.isEmpty()) {
      return false;
    }
    long columns = codes.size(1);
    int parts = LaunchGrid.over(columns, 8, THREADS).x();
    LaunchGrid grid = new LaunchGrid(Math.toIntExact(codes.size(0) * parts), THREADS);
    launcher
        .get()
        .launch(
            "int8Dequantize" + suffix.get(),
            grid,
            codes.address(),
            absmax.address(),
            columns,
            parts,
            out.address());
    return true;
  }

  /** {@link RowwiseInt8#product} for a gapless x; empty if it cannot. */
  static Optional<Tensor> product(
      Tensor x, Tensor codes, Tensor absmax, @Nullable Tensor bias, double threshold) {
    Optional<String> suffix = CardTensors.suffix(x.dtype());
    Tensor known = bias == null || biasType(bias) >= 0 ? bias : bias.detach().to(DType.FLOAT32);
    Optional<KernelLauncher> found = CudaMemory.launcher(x, codes, absmax, known);
    long m = x.numel() / x.size(-1);
    if (suffix.isEmpty() || found.isEmpty() || codes.size(1) > MAX_TERMS || m > MAX_ROWS) {
      return Optional.empty();
    }
    Tensor y = Creation.empty(x.dtype(), x.device(), NativeMemory.withLast(x, codes.size(0)));
    Product product =
        new Product(
            found.get(), suffix.get(), x, codes, absmax, known, Math.max(0, threshold), m, y);
    if (m <= FEW_ROWS) {
      product.ofFewRows();
    } else {
      product.ofManyRows();
    }
    return Optional.of(y);
  }

  /** The kernels' number of a bias's type, below 0 for none of theirs. */
  private static int biasType(Tensor bias) {
    return switch (bias.dtype()) {
      case FLOAT32 -> 0;
      case FLOAT16 -> 1;
      case BFLOAT16 -> 2;
      default -> -1;
    };
  }

  /**
   * A product to be written into y.
   *
   * @param threshold 0 for no outliers
   * @param m rows of x
   */
  private record Product(
      KernelLauncher launcher,
      String suffix,
      Tensor x,
      Tensor codes,
      Tensor absmax,
      @Nullable Tensor bias,
      double threshold,
      long m,
      Tensor y) {

    private long n() {
      return codes.size(0);
    }

    private long k() {
      return codes.size(1);
    }

    private int biasNumber() {
      return bias == null ? 0 : biasType(bias);
    }

    /** Two launches: codes and the list of outliers' columns; sums, finished where they arise. */
    void ofFewRows() {
      int together = m > 4 ? 8 : m > 2 ? 4 : (int) m;
      int groups = Math.toIntExact((m + together - 1) / together);
      int lines = together > 2 ? 2 : 1; // rows of the weight for a warp
      long marked = threshold > 0 ? 1 : 0;
      long[] memory =
          CudaMemory.pieces(
              x.device(), (long) groups * together * k(), 4 * m, 4 * k() * marked, 4 * marked);
      long rows = memory[0];
      long scales = memory[1];
      long list = memory[2];
      long count = memory[3];
      launcher.launch(
          "int8Prepare" + suffix,
          new LaunchGrid(1, 1024),
          x.address(),
          m,
          k(),
          KernelLauncher.argument(threshold),
          rows,
          scales,
          list,
          count);
      int blocks = LaunchGrid.over((n() + lines - 1) / lines * 32, 1, THREADS).x();
      launcher.launch(
          "int8Few" + together + suffix,
          new LaunchGrid(blocks * groups, THREADS),
          rows,
          scales,
          codes.address(),
          absmax.address(),
          CudaMemory.address(bias),
          biasNumber(),
          x.address(),
          list,
          count,
          m,
          n(),
          k(),
          y.address());
    }

    void ofManyRows() {
      long marked = threshold > 0 ? 1 : 0;
      long[] memory =
          CudaMemory.pieces(x.device(), 4 * m, 4 * k() * marked, 4 * marked, k() * marked);
      long scales = memory[0];
      long list = memory[1];
      long count = memory[2];
      long marks = memory[3];
      if (marks != 0) {
        launcher.launch("int8Clear", LaunchGrid.over(k(), 1, THREADS), marks, k());
      }
      Tensor rows = Creation.empty(DType.INT8, x.device(), m, k());
      encode(launcher, suffix, x, m, threshold, rows, scales, marks, list, count);
      Tensor sums = sums(launcher, rows, codes);
      launcher.launch(
          "int8Finish" + suffix,
          new LaunchGrid(tiles(n()), tiles(m), THREADS),
          sums.address(),
          scales,
          absmax.address(),
          CudaMemory.address(bias),
          biasNumber(),
          x.address(),
          codes.address(),
          list,
          count,
          m,
          n(),
          k(),
          y.address());
    }
  }

  /** Codes and scales of the rows of a matrix, rounded to a type before; empty if it cannot. */
  static Optional<RowwiseInt8.Rows> quantizeWeight(Tensor dense, DType rounded) {
    Optional<String> suffix = CardTensors.suffix(rounded);
    if (suffix.isEmpty()) {
      return Optional.empty();
    }
    return CudaMemory.launcher(dense.device())
        .map(
            launcher -> {
              Tensor rows = dense.detach().to(rounded).contiguous();
              Tensor absmax = Creation.empty(DType.FLOAT32, rows.device(), rows.size(0));
              Tensor codes = Creation.empty(DType.INT8, rows.device(), rows.shape().toArray());
              encode(
                  launcher, suffix.get(), rows, rows.size(0), 0, codes, absmax.address(), 0, 0, 0);
              return new RowwiseInt8.Rows(codes, absmax);
            });
  }

  /** Scales, codes and, if the addresses are not 0, the list of columns with outliers. */
  private static void encode(
      KernelLauncher launcher,
      String suffix,
      Tensor x,
      long rows,
      double threshold,
      Tensor codes,
      long absmax,
      long marks,
      long list,
      long count) {
    int blocks = Math.toIntExact(rows);
    long columns = x.size(-1);
    launcher.launch(
        "int8Scan" + suffix,
        new LaunchGrid(blocks, THREADS),
        x.address(),
        columns,
        KernelLauncher.argument(threshold),
        absmax,
        marks);
    launcher.launch(
        "int8Encode" + suffix,
        new LaunchGrid(list == 0 ? blocks : blocks + 1, THREADS),
        x.address(),
        rows,
        columns,
        absmax,
        marks,
        codes.address(),
        list,
        count);
  }

  private static Tensor sums(KernelLauncher launcher, Tensor x, Tensor w) {
    long m = x.size(0);
    long n = w.size(0);
    long k = w.size(1);
    if (n % 8 == 0 && k % 8 == 0) {
      return MatrixOps.int8Product(x, w);
    }
    Tensor result = Creation.empty(DType.INT32, x.device(), m, n);
    LaunchGrid lines = LaunchGrid.over(n * 32, 1, THREADS);
    launcher.launch(
        "int8Product",
        new LaunchGrid(lines.x(), Math.toIntExact((m + 7) / 8), THREADS),
        x.address(),
        w.address(),
        m,
        n,
        k,
        result.address());
    return result;
  }

  private static int tiles(long count) {
    return Math.toIntExact((count + TILE - 1) / TILE);
  }
}
