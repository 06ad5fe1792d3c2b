package org.peftjava.peft.tuner.waveft;

import java.util.List;
import java.util.Optional;
import org.peftjava.peft.tuner.DeltaAdapter;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * WaveFT over a linear layer: D is the matrix whose wavelet coefficients are zero except at n
 * random places, times the scaling.
 *
 * <p>Reference: PEFT {@code tuners/waveft/layer.py}. Shapes: spectrum (n), places (n) in the matrix
 * of coefficients, row by row.
 */
final class WaveFTAdapter extends DeltaAdapter {
  private final Parameter spectrum;
  private final Parameter places;
  private final long out;
  private final long in;
  private final double scaling;
  private final Optional<Wavelet> wavelet;

  /**
   * Of its parts.
   *
   * @param wavelet empty if the numbers are elements of D themselves
   */
  WaveFTAdapter(
      Parameter spectrum,
      Parameter places,
      long out,
      long in,
      double scaling,
      Optional<Wavelet> wavelet) {
    this.spectrum = spectrum;
    this.places = places;
    this.out = out;
    this.in = in;
    this.scaling = scaling;
    this.wavelet = wavelet;
  }

  @Override
  public List<Weight> weights() {
    return List.of(
        new Weight("waveft_spectrum", "", spectrum),
        new Weight("waveft_indices", "", places, Role.DERIVED));
  }

  @Override
  protected Tensor delta(boolean training) {
    return wavelet.map(this::fromWavelets).orElseGet(() -> filled(out, in)).mul(scaling);
  }

  /** D lies in the middle of what the coefficients give. */
  private Tensor fromWavelets(Wavelet own) {
    Tensor matrix = own.matrix(filled(own.coefficients(out), own.coefficients(in)));
    return matrix
        .narrow(0, (matrix.size(0) - out) / 2, out)
        .narrow(1, (matrix.size(1) - in) / 2, in);
  }

  private Tensor filled(long height, long width) {
    Tensor index = places.tensor();
    Tensor zeros = Creation.zeros(spectrum.dtype(), index.device(), height * width);
    return Ops.scatter(zeros, 0, index, spectrum.tensor()).reshape(height, width);
  }
}
