package org.peftjava.peft.tuner;

import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/** A norm with the norms that adapters put in its place, of which one can act at a time. */
public final class AdaptedNorm extends AdaptedLayer implements Layer {
  private final Module norm;

  AdaptedNorm(AdapterSet set, Module base) {
    super(set, base);
    norm = base;
  }

  /** Normalises (..., d). */
  @Override
  public Tensor forward(Tensor x) {
    if (isMixed()) {
      return adapted(x);
    }
    List<LayerAdapter> acting = acting();
    if (acting.size() > 1) {
      throw new IllegalStateException(
          "Of the adapters of a norm only one can act, but "
              + acting.size()
              + " are active. Activate one of them with setAdapter.");
    }
    return acting.isEmpty()
        ? baseLayer().forward(x)
        : ((ReplacingAdapter) acting.get(0)).forward(x);
  }

  @Override
  Layer baseLayer() {
    return (Layer) norm;
  }

  private Parameter weight() {
    return Objects.requireNonNull(norm.ownParameters().get("weight"));
  }

  @Override
  Tensor readWeight() {
    return weight().tensor().detach().copy();
  }

  @Override
  void writeWeight(Tensor dense) {
    weight().copyFrom(dense);
  }

  @Override
  Optional<Parameter> baseBias() {
    return Optional.ofNullable(norm.ownParameters().get("bias"));
  }

  @Override
  public String kind() {
    return "LNTuningLayer";
  }
}
