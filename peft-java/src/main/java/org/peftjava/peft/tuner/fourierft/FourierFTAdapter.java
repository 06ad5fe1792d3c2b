package org.peftjava.peft.tuner.fourierft;

import java.util.List;
import org.peftjava.peft.tuner.DeltaAdapter;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Spectral;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * FourierFT over a linear layer: D is the real part of the inverse Fourier transform of a matrix
 * that is zero except at n random places, times the scaling.
 *
 * <p>Paper: arXiv:2405.03003. Reference: PEFT {@code tuners/fourierft/layer.py}. Shapes: spectrum
 * (n), places (n) in the matrix (o, d) row by row.
 */
final class FourierFTAdapter extends DeltaAdapter {
  private final Parameter spectrum;
  private final Parameter places;
  private final long out;
  private final long in;
  private final double scaling;

  FourierFTAdapter(Parameter spectrum, Parameter places, long out, long in, double scaling) {
    this.spectrum = spectrum;
    this.places = places;
    this.out = out;
    this.in = in;
    this.scaling = scaling;
  }

  @Override
  public List<Weight> weights() {
    return List.of(
        new Weight("fourierft_spectrum", "", spectrum),
        new Weight("indices", "", places, Role.DERIVED));
  }

  @Override
  protected Tensor delta(boolean training) {
    Tensor zeros = Creation.zeros(spectrum.dtype(), places.tensor().device(), out * in);
    Tensor dense = Ops.scatter(zeros, 0, places.tensor(), spectrum.tensor()).reshape(out, in);
    return Spectral.realInverse(dense).mul(scaling);
  }
}
