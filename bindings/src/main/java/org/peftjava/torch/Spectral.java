package org.peftjava.torch;

import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.StringViewOptional;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/** Products in the frequency domain, differentiable. */
public final class Spectral {
  private Spectral() {}

  /**
   * The product with a matrix of circulant blocks, without forming it: {@code y[i, p] = sum over j,
   * q of k[i, j, (q - p) mod b] x[j, q]}.
   *
   * @param x (..., n b), float32 or float64
   * @param kernel (m, n, b), of x's type
   * @return (..., m b)
   */
  public static Tensor blockCorrelation(Tensor x, Tensor kernel) {
    long m = kernel.size(0);
    long n = kernel.size(1);
    long b = kernel.size(2);
    long rows = x.numel() / (n * b);
    long[] sizes = x.shape().toArray();
    sizes[sizes.length - 1] = m * b;
    return Natives.op(
        () -> {
          // For each frequency f: (rows, n) times (n, m).
          var inputs = frequencies(x.handle().reshape(rows, n, b), b).permute(2, 0, 1);
          var kernels = torch.conj(frequencies(kernel.handle(), b)).permute(2, 1, 0);
          var product = torch.matmul(inputs, kernels).permute(1, 2, 0);
          return torch
              .fft_irfft(product, new LongOptional(b), -1, new StringViewOptional())
              .reshape(sizes);
        });
  }

  /** The real part of the inverse Fourier transform of a real matrix (o, d): (o, d). */
  public static Tensor realInverse(Tensor spectrum) {
    return Natives.op(() -> torch.real(torch.fft_ifft2(spectrum.handle())));
  }

  /**
   * The inverse wavelet transform of one level (transposed convolution with stride 2).
   *
   * @param bands (1, 4, h, w)
   * @param filters (4, 1, f, f), f even
   * @return (2 h - f + 2, 2 w - f + 2)
   */
  public static Tensor waveletInverse(Tensor bands, Tensor filters) {
    long cut = (2 * filters.size(2) - 3) / 2;
    return Natives.op(
        () ->
            torch
                .conv_transpose2d(
                    bands.handle(),
                    filters.handle(),
                    new TensorOptional(),
                    new long[] {2, 2},
                    new long[] {cut, cut},
                    new long[] {0, 0},
                    1,
                    1,
                    1)
                .squeeze());
  }

  private static org.bytedeco.pytorch.Tensor frequencies(
      org.bytedeco.pytorch.Tensor values, long length) {
    return torch.fft_rfft(values, new LongOptional(length), -1, new StringViewOptional());
  }
}
