package org.peftjava.peft.tuner.c3a;

import java.util.List;
import org.peftjava.peft.tuner.DeltaAdapter;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Spectral;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * C3A over a linear layer: the update consists of circulant blocks, {@code D[i b + p, j b + q] =
 * k[i, j, (q - p) mod b] / d}, applied in the frequency domain.
 *
 * <p>Paper: arXiv:2407.19342. Reference: PEFT {@code tuners/c3a/layer.py::C3ALinear}. Shapes: k
 * (o/b, d/b, b), always float32.
 */
final class C3AAdapter extends DeltaAdapter {
  private final Parameter kernel;

  C3AAdapter(Parameter kernel) {
    this.kernel = kernel;
  }

  @Override
  public List<Weight> weights() {
    return List.of(new Weight("c3a_kernel", "", kernel));
  }

  private long inFeatures() {
    return kernel.shape().get(1) * kernel.shape().get(2);
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    Tensor change = Spectral.blockCorrelation(x.to(kernel.dtype()), kernel.tensor());
    return y.to(kernel.dtype()).add(change, 1.0 / inFeatures());
  }

  @Override
  protected Tensor delta(boolean training) {
    long rows = kernel.shape().get(0);
    long columns = kernel.shape().get(1);
    long b = kernel.shape().get(2);
    Tensor blocks =
        kernel
            .tensor()
            .reshape(rows * columns, b)
            .indexSelect(1, places(b).to(kernel.tensor().device()))
            .reshape(rows, columns, b, b);
    return blocks.permute(0, 2, 1, 3).reshape(rows * b, columns * b).div(inFeatures());
  }

  /** (q - p) mod b for all p, q, row by row. */
  private static Tensor places(long b) {
    Tensor count = Creation.arange(0, b, Device.CPU);
    Tensor difference = count.unsqueeze(0).sub(count.unsqueeze(1));
    return difference.add(difference.lt(0).to(DType.INT64).mul(b)).reshape(-1);
  }
}
