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

  /** Up to so many rows our kernel multiplies integers; cuBLAS wants more. */
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

  /** {@link RowwiseInt8#product} for x (n, d); empty if it cannot. */
  static Optional<Tensor> product(
      Tensor x, Tensor codes, Tensor absmax, @Nullable Tensor bias, double threshold) {
    Optional<String> suffix = CardTensors.suffix(x.dtype());
    Optional<KernelLauncher> found = CudaMemory.launcher(x, codes, absmax, bias);
    long m = x.size(0);
    long n = codes.size(0);
    long k = codes.size(1);
    if (suffix.isEmpty() || found.isEmpty() || k > MAX_TERMS || m > MAX_ROWS) {
      return Optional.empty();
    }
    KernelLauncher launcher = found.get();
    Tensor marks = threshold > 0 ? Creation.zeros(DType.UINT8, x.device(), k) : null;
    Tensor list = marks == null ? null : Creation.empty(DType.INT32, x.device(), k);
    Tensor count = marks == null ? null : Creation.empty(DType.INT32, x.device(), 1);
    RowwiseInt8.Rows rows = encode(launcher, suffix.get(), x, threshold, marks);
    if (marks != null && list != null && count != null) {
      LaunchGrid one = new LaunchGrid(1, 1024);
      launcher.launch("int8Columns", one, marks.address(), k, list.address(), count.address());
    }
    Tensor sums = sums(launcher, rows.codes(), codes);
    Tensor wideBias = bias == null ? null : bias.detach().to(DType.FLOAT32);
    Tensor y = Creation.empty(x.dtype(), x.device(), m, n);
    launcher.launch(
        "int8Finish" + suffix.get(),
        new LaunchGrid(tiles(n), tiles(m), THREADS),
        sums.address(),
        rows.absmax().address(),
        absmax.address(),
        CudaMemory.address(wideBias),
        x.address(),
        codes.address(),
        CudaMemory.address(list),
        CudaMemory.address(count),
        m,
        n,
        k,
        y.address());
    return Optional.of(y);
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
              return encode(launcher, suffix.get(), rows, 0, null);
            });
  }

  private static RowwiseInt8.Rows encode(
      KernelLauncher launcher, String suffix, Tensor x, double threshold, @Nullable Tensor marks) {
    LaunchGrid grid = new LaunchGrid(Math.toIntExact(x.size(0)), THREADS);
    long columns = x.size(1);
    Tensor absmax = Creation.empty(DType.FLOAT32, x.device(), x.size(0));
    Tensor codes = Creation.empty(DType.INT8, x.device(), x.size(0), columns);
    launcher.launch(
        "int8Scan" + suffix,
        grid,
        x.address(),
        columns,
        KernelLauncher.argument(threshold),
        absmax.address(),
        CudaMemory.address(marks));
    launcher.launch(
        "int8Encode" + suffix,
        grid,
        x.address(),
        columns,
        absmax.address(),
        CudaMemory.address(marks),
        codes.address());
    return new RowwiseInt8.Rows(codes, absmax);
  }

  private static Tensor sums(KernelLauncher launcher, Tensor x, Tensor w) {
    long m = x.size(0);
    long n = w.size(0);
    long k = w.size(1);
    if (m > FEW_ROWS && n % 8 == 0 && k % 8 == 0) {
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
