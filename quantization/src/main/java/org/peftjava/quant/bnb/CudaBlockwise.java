package org.peftjava.quant.bnb;

import java.util.Optional;
import org.peftjava.torch.CardTensors;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.cuda.KernelLauncher;
import org.peftjava.torch.cuda.LaunchGrid;

/** The arithmetic of {@link BlockwiseQuantizer} in CUDA kernels: the same numbers to the bit. */
final class CudaBlockwise {
  private static final int THREADS = 256;

  private CudaBlockwise() {}

  /**
   * Quantizes some numbers; false if it cannot.
   *
   * @param x of a floating-point type
   * @param codes uint8, as the quantizer returns them
   * @param absmax float32, one for each block
   */
  static boolean quantize(CodeBook book, int blockSize, Tensor x, Tensor codes, Tensor absmax) {
    Tensor source = x.dtype() == DType.FLOAT64 ? x.to(DType.FLOAT32) : x;
    Optional<String> suffix = CardTensors.suffix(source.dtype());
    Optional<KernelLauncher> launcher = CudaMemory.launcher(source, codes, absmax);
    if (suffix.isEmpty() || launcher.isEmpty()) {
      return false;
    }
    long n = source.numel();
    // A warp for 256 numbers, or for a block that is larger.
    long warps = (n + Math.max(256, blockSize) - 1) / Math.max(256, blockSize);
    LaunchGrid grid = LaunchGrid.over(warps * 32, 1, THREADS);
    long limits = launcher.get().table(book.limits());
    if (book.bits() == 8) {
      launcher
          .get()
          .launch(
              "eightBitQuantize" + suffix.get(),
              grid,
              source.address(),
              n,
              shiftOf(blockSize),
              limits,
              codes.address(),
              absmax.address());
    } else {
      launcher
          .get()
          .launch(
              "fourBitQuantize" + suffix.get(),
              grid,
              source.address(),
              n,
              shiftOf(blockSize),
              limits,
              book.codesInOrder(),
              book.comparesMagnitudes() ? 1 : 0,
              book.zero(),
              codes.address(),
              absmax.address());
    }
    return true;
  }

  /** Writes the numbers of 8-bit codes into a gapless tensor; false if it cannot. */
  static boolean dequantizeEightBit(
      Tensor out, Tensor codes, Tensor absmax, Tensor values, int blockSize) {
    Optional<String> suffix = CardTensors.suffix(out.dtype());
    Optional<KernelLauncher> launcher = CudaMemory.launcher(out, codes, absmax, values);
    if (suffix.isEmpty() || launcher.isEmpty()) {
      return false;
    }
    launcher
        .get()
        .launch(
            "eightBitDequantize" + suffix.get(),
            LaunchGrid.over(out.numel(), 8, THREADS),
            codes.address(),
            absmax.address(),
            values.address(),
            shiftOf(blockSize),
            out.numel(),
            out.address());
    return true;
  }

  /** The logarithm of a block size. */
  static int shiftOf(int blockSize) {
    return Integer.numberOfTrailingZeros(blockSize);
  }
}
