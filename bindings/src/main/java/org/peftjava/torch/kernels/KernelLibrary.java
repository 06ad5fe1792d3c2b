package org.peftjava.torch.kernels;

import org.bytedeco.javacpp.annotation.Cast;
import org.bytedeco.javacpp.annotation.Const;
import org.bytedeco.javacpp.annotation.Namespace;
import org.bytedeco.javacpp.annotation.NoException;
import org.bytedeco.javacpp.annotation.Platform;
import org.bytedeco.javacpp.annotation.Properties;
import org.bytedeco.javacpp.annotation.StdString;

/**
 * The functions of {@code kernels.h}, one to one and unchecked. Those that take memory may throw.
 *
 * <p>On Linux the OpenMP runtime that ships with libtorch is loaded first, from the same file that
 * libtorch loads it from, so that a process has one thread pool whichever library comes first.
 */
@Properties({
  @Platform(
      include = {
        "kernels.h",
        "quant_kernels.h",
        "attention_kernels.h",
        "low_rank_kernels.h",
        "wide_kernels.h"
      },
      compiler = {"cpp17", "kernels"},
      library = KernelLibrary.NAME),
  @Platform(value = "linux", preload = "gomp@.1", preloadresource = "/org/bytedeco/pytorch/")
})
@Namespace("peftjava")
final class KernelLibrary {
  static final String NAME = "jnipeftkernels";

  private KernelLibrary() {}

  @NoException
  static native int highestLevel();

  @NoException
  static native void shareThreads(int threads);

  static native void takeBlasTurn();

  static native void endBlasTurn();

  @NoException
  static native void useLevel(int level);

  static native @StdString String describe();

  @NoException
  static native void product(
      long x,
      long xStride,
      long w,
      long wStride,
      long bias,
      long y,
      long yStride,
      int m,
      long n,
      long k,
      @Cast("bool") boolean transposed,
      int type,
      int threads);

  @NoException
  static native @Cast("bool") boolean hasWideProduct(int type);

  static native void wideProduct(
      long x,
      long w,
      long bias,
      long y,
      long m,
      long rows,
      long columns,
      @Cast("bool") boolean turned,
      int type,
      int threads);

  @NoException
  static native long firstBadTarget(long targets, long rows, long vocabulary, long ignore);

  @NoException
  static native long targetAt(long targets, long row);

  @NoException
  static native long countTargets(long targets, long rows, long ignore);

  static native double crossEntropy(
      long logits,
      long targets,
      long rowLosses,
      long rows,
      long vocabulary,
      long stride,
      long ignore,
      float scale,
      @Cast("bool") boolean gradient,
      int type,
      int threads);

  @NoException
  static native void dropout(
      long x,
      int xType,
      long y,
      int yType,
      long count,
      double p,
      long seed,
      long offset,
      @Cast("bool") boolean add,
      int threads);

  static native void attention(
      @Cast("const int64_t*") long[] words,
      double scale,
      double cap,
      double p,
      long seed,
      @Cast("bool") boolean causal,
      int type,
      int maskType,
      @Cast("bool") boolean gradient,
      int threads);

  @NoException
  static native void layerNorm(
      long x,
      long residual,
      long sum,
      long weight,
      long bias,
      long y,
      long mean,
      long rstd,
      long rows,
      long width,
      double eps,
      int type,
      int weightType,
      int threads);

  @NoException
  static native void layerNormGrad(
      long gy,
      long h,
      long weight,
      long mean,
      long rstd,
      long add,
      long gh,
      long gweight,
      long gbias,
      long rows,
      long width,
      int type,
      int weightType,
      int threads);

  @NoException
  static native void adamw(
      @Cast("const int64_t*") long[] p,
      @Cast("const int64_t*") long[] g,
      @Cast("const int64_t*") long[] m,
      @Cast("const int64_t*") long[] v,
      @Cast("const int64_t*") long[] counts,
      int arrays,
      double gradScale,
      double lr,
      double beta1,
      double beta2,
      double eps,
      double weightDecay,
      long step,
      int threads);

  @NoException
  static native void adamw8bit(
      @Cast("const int64_t*") long[] words,
      @Cast("const int64_t*") long[] counts,
      int arrays,
      @Const float[] values,
      @Const float[] limits,
      @Cast("const int8_t*") byte[] first,
      @Const float[] values2,
      @Const float[] limits2,
      @Cast("const int8_t*") byte[] first2,
      double lr,
      double beta1,
      double beta2,
      double eps,
      double weightDecay,
      int threads);

  static native double squaredNorm(
      @Cast("const int64_t*") long[] arrays,
      @Cast("const int64_t*") long[] counts,
      int count,
      int type,
      int threads);

  @NoException
  static native void scale(
      @Cast("const int64_t*") long[] arrays,
      @Cast("const int64_t*") long[] counts,
      int count,
      double factor,
      int type,
      int threads);

  @NoException
  static native void biasRelu(
      long y, long stride, int type, long bias, int biasType, long rows, long width, int threads);

  @NoException
  static native void reluGrad(long g, long y, long gx, long count, int type, int threads);

  static native void lowRank(
      long x,
      int xType,
      long down,
      long up,
      long low,
      long y,
      int yType,
      long n,
      long d,
      long o,
      long r,
      double scale,
      @Cast("bool") boolean forward,
      double p,
      long seed,
      int threads);

  static native void lowRankGrad(
      long x,
      int xType,
      long low,
      long gw,
      long n,
      long d,
      long r,
      @Cast("bool") boolean transposed,
      double p,
      long seed,
      int threads);

  static native void lowRankRuns(
      long x,
      int xType,
      long y,
      int yType,
      long d,
      long o,
      @Cast("const int64_t*") long[] row,
      @Cast("const int64_t*") long[] rows,
      @Cast("const int64_t*") long[] a,
      @Cast("const int64_t*") long[] b,
      @Cast("const int64_t*") long[] r,
      double[] scale,
      int count,
      int threads);

  @NoException
  static native void rmsNorm(
      long x,
      long weight,
      long y,
      long rstd,
      long rows,
      long width,
      double eps,
      double offset,
      @Cast("bool") boolean roundFirst,
      int type,
      int weightType,
      int threads);

  @NoException
  static native void rmsNormGrad(
      long gy,
      long x,
      long weight,
      long rstd,
      long gx,
      long gweight,
      long rows,
      long width,
      double offset,
      @Cast("bool") boolean roundFirst,
      int type,
      int weightType,
      int threads);

  @NoException
  static native void siluProduct(long gate, long up, long y, long count, int type, int threads);

  @NoException
  static native void siluProductGrad(
      long gy, long gate, long up, long ggate, long gup, long count, int type, int threads);

  @NoException
  static native void rotation(
      @Cast("const int64_t*") long[] words, @Cast("bool") boolean backward, int type, int threads);

  @NoException
  static native void copyHeads(@Cast("const int64_t*") long[] words);

  @NoException
  static native void fourBitDequantize(
      @Cast("const int64_t*") long[] w, long first, long count, long y, int type, int threads);

  @NoException
  static native void fourBitQuantize(
      long x,
      long count,
      int blockShift,
      @Const float[] thresholds,
      @Cast("const int8_t*") byte[] codes,
      @Cast("bool") boolean magnitudes,
      int zero,
      long packed,
      long absmax,
      int type,
      int threads);

  static native void fourBitProduct(
      @Cast("const int64_t*") long[] w,
      long rows,
      long columns,
      @Cast("bool") boolean transposed,
      long x,
      long xStride,
      long bias,
      long y,
      long yStride,
      int m,
      int type,
      int threads);

  @NoException
  static native @Cast("bool") boolean hasTiles();

  static native @Cast("bool") boolean fourBitTiles(
      @Cast("const int64_t*") long[] w,
      long rows,
      long columns,
      @Cast("bool") boolean transposed,
      long x,
      long xStride,
      long bias,
      long y,
      long yStride,
      long m,
      int type,
      int threads);

  @NoException
  static native void bytesDequantize(
      long codes, long absmax, long rows, long columns, long y, int type, int threads);

  @NoException
  static native void bytesQuantize(
      long x,
      long rows,
      long columns,
      double threshold,
      long codes,
      long absmax,
      long outliers,
      int type,
      int threads);

  static native void bytesProduct(
      long x,
      long xAbsmax,
      long w,
      long wAbsmax,
      long bias,
      long y,
      long m,
      long n,
      long k,
      int type,
      int threads);

  static native void byteTiles(
      long w,
      long wAbsmax,
      long rows,
      long columns,
      @Cast("bool") boolean transposed,
      long x,
      long bias,
      long y,
      long m,
      int threads);
}
