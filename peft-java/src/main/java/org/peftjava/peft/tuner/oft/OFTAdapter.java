package org.peftjava.peft.tuner.oft;

import java.util.List;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.torch.Tensor;

/**
 * OFT over a linear layer: {@code y = base(x R)}, with a block-diagonal rotation R of the input.
 *
 * <p>Reference: PEFT {@code tuners/oft/layer.py::Linear}.
 */
final class OFTAdapter implements LayerAdapter {
  private final OFTRotation rotation;

  OFTAdapter(OFTRotation rotation) {
    this.rotation = rotation;
  }

  @Override
  public List<Weight> weights() {
    return List.of(new Weight("oft_R", "weight", rotation.weight()));
  }

  @Override
  public Tensor beforeBase(Tensor x, boolean training) {
    return rotation.apply(x);
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    return y;
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    return rotation.applyTransposed(weight).to(weight.dtype());
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    return rotation.undoTransposed(weight).to(weight.dtype());
  }
}
