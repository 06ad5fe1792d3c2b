package org.peftjava.peft.tuner;

import java.util.Optional;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/** A linear layer with full trainable copies. */
final class SavedLinear extends SavedModule implements LinearLayer {
  SavedLinear(AdapterSet set, Module original) {
    super(set, original);
  }

  private LinearLayer layer() {
    return acting(LinearLayer.class);
  }

  @Override
  public Tensor forward(Tensor x) {
    return acted(x);
  }

  @Override
  public long inFeatures() {
    return layer().inFeatures();
  }

  @Override
  public long outFeatures() {
    return layer().outFeatures();
  }

  @Override
  public Tensor denseWeight(DType type) {
    return layer().denseWeight(type);
  }

  @Override
  public void replaceWeight(Tensor dense) {
    layer().replaceWeight(dense);
  }

  @Override
  public Optional<Parameter> bias() {
    return layer().bias();
  }

  @Override
  public DType computeDtype() {
    return layer().computeDtype();
  }

  @Override
  public DType changeDtype() {
    return layer().changeDtype();
  }
}
