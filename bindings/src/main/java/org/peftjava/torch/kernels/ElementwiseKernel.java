package org.peftjava.torch.kernels;

/** Elementwise passes that would each read and write memory once more as separate operators. */
public final class ElementwiseKernel {
  private static final String NAME = "ElementwiseKernel";

  private ElementwiseKernel() {}

  /**
   * {@code y = relu(y + bias)} in place; NaN stays NaN.
   *
   * @param y (rows, width) with {@code stride} elements from row to row
   * @param bias (width), or 0 for none
   */
  public static void biasRelu(
      ElementType type,
      long y,
      long stride,
      ElementType biasType,
      long bias,
      long rows,
      long width,
      int threads) {
    Arguments.call(NAME, threads);
    Arguments.size(NAME, "rows", rows);
    Arguments.size(NAME, "width", width);
    Arguments.addresses(NAME, rows * width, y);
    Arguments.stride(NAME, "stride", stride, width);
    KernelLibrary.biasRelu(y, stride, type.code(), bias, biasType.code(), rows, width, threads);
  }

  /**
   * {@code gx = y <= 0 ? 0 : g}: the gradient of ReLU from its result, as libtorch's {@code
   * threshold_backward}.
   *
   * @param gx (count), may be {@code g} or {@code y}
   */
  public static void reluGradient(
      ElementType type, long g, long y, long gx, long count, int threads) {
    Arguments.call(NAME, threads);
    Arguments.size(NAME, "count", count);
    Arguments.addresses(NAME, count, g, y, gx);
    KernelLibrary.reluGrad(g, y, gx, count, type.code(), threads);
  }

  /**
   * {@code y = silu(gate) up}, with {@code silu(gate)} rounded to its type first.
   *
   * @param y (count), may be {@code gate} or {@code up}
   */
  public static void siluProduct(
      ElementType type, long gate, long up, long y, long count, int threads) {
    Arguments.call(NAME, threads);
    Arguments.size(NAME, "count", count);
    Arguments.addresses(NAME, count, gate, up, y);
    KernelLibrary.siluProduct(gate, up, y, count, type.code(), threads);
  }

  /** The gradients of {@link #siluProduct} with respect to gate and up, (count) each. */
  public static void siluProductGradient(
      ElementType type,
      long gy,
      long gate,
      long up,
      long ggate,
      long gup,
      long count,
      int threads) {
    Arguments.call(NAME, threads);
    Arguments.size(NAME, "count", count);
    Arguments.addresses(NAME, count, gy, gate, up, ggate, gup);
    KernelLibrary.siluProductGrad(gy, gate, up, ggate, gup, count, type.code(), threads);
  }
}
