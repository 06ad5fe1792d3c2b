package org.peftjava.peft.tuner.deft;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Parameter;

/** DEFT. Reference: PEFT {@code tuners/deft/model.py::DeftModel}. */
public final class DeftMethod extends LayerTunerMethod<DeftConfig> {
  private static final double DEVIATION = 0.02;

  /** The method; {@code TunerMethods} has it. */
  public DeftMethod() {
    super("DEFT", "DeftModel", "deft_", DeftConfig.class, DefaultTargets.LORA);
  }

  @Override
  public DeftConfig parse(Map<String, ? extends @Nullable Object> values) {
    return DeftConfig.of(values);
  }

  @Override
  public String layerType(String kind) {
    return "deft.Deft" + kind;
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, DeftConfig config) {
    LinearLayer layer = site.linear();
    long out = layer.outFeatures();
    long r = Math.min(config.r(), out); // no more orthogonal directions than that
    double scaling = config.alpha().isPresent() ? (double) config.alpha().getAsInt() / r : 1;
    Directions directions = Directions.of(config.decompositionMethod());
    Parameter p = site.parameter(Init.normal(DEVIATION), out, r);
    if (config.para()) {
      return new DeftAdapter(layer, directions, p, null, scaling, config.deftDropout());
    }
    Init start =
        config.initWeights()
            ? tensor -> tensor.copyInPlace(removed(layer, directions, p).div(scaling))
            : Init.normal(DEVIATION * config.initScale());
    return new DeftAdapter(
        layer,
        directions,
        p,
        site.parameter(start, r, layer.inFeatures()),
        scaling,
        config.deftDropout());
  }

  /** What is taken out of the weight: put in again it changes nothing. */
  private static Tensor removed(LinearLayer layer, Directions directions, Parameter p) {
    Tensor weight = layer.denseWeight(DType.FLOAT32);
    return directions.of(p.tensor().detach()).right().t().matmul(weight);
  }
}
