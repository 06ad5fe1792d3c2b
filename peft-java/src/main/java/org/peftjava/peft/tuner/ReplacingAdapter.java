package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.NormLayer;
import org.peftjava.torch.nn.Parameter;

/**
 * An adapter that is a copy of the norm that it adapts, and takes its place.
 *
 * <p>Reference: PEFT {@code tuners/ln_tuning/layer.py::LNTuningLayer}. It has the norm's type, also
 * where other adapters are float32.
 */
public final class ReplacingAdapter implements LayerAdapter {
  private final Module copy;
  private final List<Weight> weights = new ArrayList<>();
  private final Map<String, byte[]> replaced = new HashMap<>();

  /**
   * A copy of the layer at a place.
   *
   * @param group how names of its parameters begin, such as "ln_tuning_layers"
   */
  public ReplacingAdapter(LayerSite site, String group) {
    copy = ModuleCopies.copyOf(site.layer());
    copy.requiresGrad(false);
    copy.namedState().forEach((name, value) -> weights.add(new Weight(group, name, value)));
  }

  /** Whether a layer is a norm with a weight. */
  public static boolean fits(Module layer) {
    return layer instanceof NormLayer && !layer.ownParameters().isEmpty();
  }

  @Override
  public List<Weight> weights() {
    return List.copyOf(weights);
  }

  /** What stands in the layer's place gives. */
  Tensor forward(Tensor x) {
    return ((Layer) copy).forward(x);
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    return forward(x);
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    return inPlaceOf(weight, "weight");
  }

  @Override
  public Tensor mergedIntoBias(Tensor bias) {
    return inPlaceOf(bias, "bias");
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    return original(weight, "weight");
  }

  @Override
  public Tensor removedFromBias(Tensor bias) {
    return original(bias, "bias");
  }

  private Tensor inPlaceOf(Tensor values, String name) {
    replaced.put(name, values.viewAs(DType.UINT8).toBytes());
    Parameter own = Objects.requireNonNull(copy.namedState().get(name), name);
    return own.tensor().detach().copy();
  }

  private Tensor original(Tensor like, String name) {
    byte[] bytes = replaced.remove(name);
    return bytes == null
        ? like
        : Creation.ofBytes(bytes, bytes.length).viewAs(like.dtype()).to(like.device());
  }
}
