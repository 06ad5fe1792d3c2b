package org.peftjava.peft.tuner;

import java.util.Optional;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/** A linear layer of any kind of weight with its adapters. */
public final class AdaptedLinear extends AdaptedLayer implements LinearLayer {
  AdaptedLinear(AdapterSet set, Module base) {
    super(set, base);
  }

  private LinearLayer linear() {
    return (LinearLayer) original();
  }

  /** Maps (..., d) to (..., o). */
  @Override
  public Tensor forward(Tensor x) {
    return adapted(x);
  }

  @Override
  public String kind() {
    return "Linear";
  }

  @Override
  Layer baseLayer() {
    return linear();
  }

  @Override
  Tensor readWeight() {
    return linear().denseWeight(linear().changeDtype());
  }

  @Override
  void writeWeight(Tensor dense) {
    linear().replaceWeight(dense);
  }

  @Override
  Optional<Parameter> baseBias() {
    return linear().bias();
  }

  @Override
  public long inFeatures() {
    return linear().inFeatures();
  }

  @Override
  public long outFeatures() {
    return linear().outFeatures();
  }

  /** The base's weight: adapters are in it only while merged. */
  @Override
  public Tensor denseWeight(DType type) {
    return linear().denseWeight(type);
  }

  @Override
  public void replaceWeight(Tensor dense) {
    linear().replaceWeight(dense);
  }

  @Override
  public Optional<Parameter> bias() {
    return linear().bias();
  }

  @Override
  public DType computeDtype() {
    return linear().computeDtype();
  }

  @Override
  public DType changeDtype() {
    return linear().changeDtype();
  }
}
