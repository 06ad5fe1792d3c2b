package org.peftjava.peft.tuner;

import java.util.Optional;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/** A layer of any kind, some of whose parameters have adapters. */
public final class AdaptedModule extends AdaptedLayer implements Layer {
  private final Layer layer;

  AdaptedModule(AdapterSet set, Module base) {
    super(set, base);
    layer = (Layer) base;
  }

  @Override
  public Tensor forward(Tensor x) {
    return adapted(x);
  }

  @Override
  public String kind() {
    return "ParamWrapper";
  }

  @Override
  Layer baseLayer() {
    return layer;
  }

  @Override
  Tensor readWeight() {
    throw new UnsupportedOperationException("Only parameters of this layer are adapted.");
  }

  @Override
  void writeWeight(Tensor dense) {
    throw new UnsupportedOperationException("Only parameters of this layer are adapted.");
  }

  @Override
  Optional<Parameter> baseBias() {
    return Optional.empty();
  }
}
