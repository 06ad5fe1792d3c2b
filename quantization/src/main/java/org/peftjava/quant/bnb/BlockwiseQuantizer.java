package org.peftjava.quant.bnb;

import java.util.List;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/**
 * Turns numbers into codes, block by block of consecutive elements in row-major order, and back.
 *
 * <p>{@code code = nearest(x / absmax)}, {@code x' = value(code) * absmax} with {@code absmax = max
 * |x|} of the block, all in float32; the last block may be short. Of two 4-bit codes in a byte the
 * first has the high bits; an odd number of elements is filled up with 0.
 *
 * <p>Reference: {@code bitsandbytes.functional.quantize_4bit} and {@code quantize_blockwise}. An
 * all-zero block gets the codes of the CPU build, which read as +0. It runs on libtorch's
 * operators, so on every device, a few million elements at a time, so that temporaries stay small;
 * native kernels give 4-bit codes where there are some.
 */
public final class BlockwiseQuantizer {
  /** The block sizes that bitsandbytes reads. */
  public static final List<Integer> BLOCK_SIZES = List.of(32, 64, 128, 256, 512, 1024, 2048, 4096);

  /** Elements per pass, a multiple of every block size. */
  private static final long BAND = 1 << 18;

  /** The same where kernels work on a card's memory: launches cost more there. */
  private static final long CUDA_BAND = 1 << 24;

  /** What the CPU build takes for a smaller absmax, so that its inverse is finite. */
  private static final double LEAST_SCALE = 1e-38;

  private final CodeBook book;
  private final int blockSize;
  private final boolean portable;

  /**
   * Codes and scales of some numbers.
   *
   * @param codes uint8 (n) for 8-bit codes, ((n + 1) / 2) for 4-bit codes
   * @param absmax float32, one per block
   */
  public record Blocks(Tensor codes, Tensor absmax) {}

  /** A quantizer of this format; block sizes as in {@link #BLOCK_SIZES}. */
  public BlockwiseQuantizer(CodeBook book, int blockSize) {
    this(book, blockSize, false);
  }

  /** The same, on libtorch's operators even where there are native kernels. */
  BlockwiseQuantizer(CodeBook book, int blockSize, boolean portable) {
    if (!BLOCK_SIZES.contains(blockSize)) {
      throw new IllegalArgumentException(
          "The block size is " + blockSize + ". Expected one of " + BLOCK_SIZES + ".");
    }
    this.book = book;
    this.blockSize = blockSize;
    this.portable = portable;
  }

  /**
   * Quantizes all elements of a floating-point tensor.
   *
   * @throws IllegalArgumentException for another type, or for NaN or infinite elements
   */
  public Blocks quantize(Tensor x) {
    return quantize(x, x.dtype());
  }

  /** The same for the elements rounded to another type, which happens band by band. */
  public Blocks quantize(Tensor x, DType rounded) {
    checkFloatingPoint(x.dtype());
    checkFloatingPoint(rounded);
    try (TensorScope scope = TensorScope.open("quantize");
        GradMode off = GradMode.noGrad()) {
      Tensor flat = x.detach().contiguous().reshape(-1);
      long n = flat.numel();
      Tensor codes = Creation.empty(DType.UINT8, x.device(), bytesOf(n));
      Tensor absmax = Creation.empty(DType.FLOAT32, x.device(), blocksOf(n));
      boolean onCard = !portable && CudaMemory.launcher(flat).isPresent();
      eachBand(
          n,
          onCard ? CUDA_BAND : BAND,
          (start, length, width) -> {
            Tensor part = flat.narrow(0, start, length).to(rounded);
            Tensor bytes = codes.narrow(0, bytesOf(start), bytesOf(length));
            Tensor scales = absmax.narrow(0, start / blockSize, length / width);
            if (portable || !kernels(part, bytes, scales)) {
              quantizeBand(part.to(DType.FLOAT32).reshape(-1, width), bytes, scales);
            }
          });
      if (!absmax.isFinite()) {
        throw new IllegalArgumentException(
            "A tensor of shape "
                + x.shape()
                + " holds NaN or infinite values, which have no code. Expected finite values; was"
                + " the weight, or the adapter merged into it, trained to divergence?");
      }
      return new Blocks(scope.keep(codes), scope.keep(absmax));
    }
  }

  /**
   * The numbers that codes stand for, computed in float32 and rounded once.
   *
   * @param codes as {@link #quantize} returns them, of any shape
   * @param values of the codes, float32
   * @param n how many
   * @return (n) of type {@code type}, fresh
   */
  public Tensor dequantize(Tensor codes, Tensor absmax, Tensor values, long n, DType type) {
    checkFloatingPoint(type);
    Tensor result = Creation.empty(type, codes.device(), n);
    dequantizeInto(result, codes, absmax, values);
    return result;
  }

  /** The same into a gapless tensor of a floating-point type, whose elements it replaces. */
  public void dequantizeInto(Tensor out, Tensor codes, Tensor absmax, Tensor values) {
    long n = out.numel();
    checkCount("codes", codes.numel(), bytesOf(n), n);
    checkCount("absmax", absmax.numel(), blocksOf(n), n);
    if (!portable
        && book.bits() == 8
        && CudaBlockwise.dequantizeEightBit(out, codes, absmax, values, blockSize)) {
      return;
    }
    try (TensorScope scope = TensorScope.open("dequantize");
        GradMode off = GradMode.noGrad()) {
      Tensor flat = codes.reshape(-1);
      Tensor result = out.reshape(-1);
      Tensor table = book.bits() == 4 ? pairs(values) : values;
      eachBand(
          n,
          BAND,
          (start, length, width) -> {
            Tensor bytes = flat.narrow(0, bytesOf(start), bytesOf(length)).to(DType.INT32);
            Tensor band = table.indexSelect(0, bytes).viewAs(DType.FLOAT32).narrow(0, 0, length);
            Tensor scale = absmax.narrow(0, start / blockSize, length / width).unsqueeze(1);
            Tensor scaled = band.reshape(-1, width).mulInPlace(scale).reshape(length);
            result.narrow(0, start, length).copyInPlace(scaled);
          });
    }
  }

  /** Quantizes in the kernels of the card or of the CPU; false if there are none. */
  private boolean kernels(Tensor x, Tensor codes, Tensor absmax) {
    return CudaBlockwise.quantize(book, blockSize, x, codes, absmax)
        || NativeFourBit.quantize(book, blockSize, x, codes, absmax);
  }

  private void quantizeBand(Tensor x, Tensor codes, Tensor absmax) {
    Tensor largest = x.abs().amax(1);
    Tensor least = Creation.full(DType.FLOAT32, LEAST_SCALE);
    Tensor floor = largest.maskedFill(largest.lt(least), LEAST_SCALE);
    Tensor scaled = x.mul(Creation.ones(DType.FLOAT32).div(floor).unsqueeze(1));
    if (book.bits() == 8) {
      // both builds of bitsandbytes write the first code, not that of 0
      scaled = scaled.maskedFill(largest.eq(0).unsqueeze(1), -1);
    }
    absmax.copyInPlace(largest);
    codes.copyInPlace(pack(book.nearest(scaled.reshape(-1))));
  }

  private Tensor pack(Tensor codes) {
    if (book.bits() == 8) {
      return codes;
    }
    Tensor even = codes;
    if (codes.numel() % 2 == 1) {
      Tensor zero = Creation.full(DType.INT32, book.zero(), 1).to(codes.device());
      even = Creation.cat(List.of(codes, zero), 0);
    }
    Tensor pair = even.reshape(-1, 2);
    return pair.select(1, 0).mul(16).add(pair.select(1, 1));
  }

  /** The two values of each byte, side by side as one int64 (256): one look-up gives both. */
  private static Tensor pairs(Tensor values) {
    Tensor first = values.unsqueeze(1).expand(16, 16);
    Tensor second = values.unsqueeze(0).expand(16, 16);
    return Creation.stack(List.of(first, second), 2).reshape(512).viewAs(DType.INT64);
  }

  /** A run of whole blocks, or the short block at the end. */
  private interface Band {
    void visit(long start, long length, long width);
  }

  private void eachBand(long n, long size, Band band) {
    long whole = n - n % blockSize;
    for (long start = 0; start < whole; start += size) {
      try (TensorScope scope = TensorScope.open("band")) {
        band.visit(start, Math.min(size, whole - start), blockSize);
      }
    }
    if (whole < n) {
      try (TensorScope scope = TensorScope.open("band")) {
        band.visit(whole, n - whole, n - whole);
      }
    }
  }

  private long bytesOf(long n) {
    return book.bits() == 4 ? (n + 1) / 2 : n;
  }

  /** How many scales so many elements have. */
  long blocksOf(long n) {
    return (n + blockSize - 1) / blockSize;
  }

  private void checkCount(String name, long actual, long expected, long n) {
    if (actual != expected) {
      throw new IllegalArgumentException(
          "There are %d %s. Expected %d, for %d elements in blocks of %d."
              .formatted(actual, name, expected, n, blockSize));
    }
  }

  private static void checkFloatingPoint(DType type) {
    if (!type.isFloatingPoint()) {
      throw new IllegalArgumentException(
          "The dense side of a quantized tensor has type "
              + type
              + ". Expected float32, bfloat16, float16 or float64.");
    }
  }
}
