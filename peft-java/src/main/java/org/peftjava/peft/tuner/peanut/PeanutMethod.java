package org.peftjava.peft.tuner.peanut;

import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.torch.nn.Activation;
import org.peftjava.torch.nn.Conv1D;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/** PEANuT. Reference: PEFT {@code tuners/peanut/model.py::PeanutModel}. */
public final class PeanutMethod extends LayerTunerMethod<PeanutConfig> {
  /** The method; {@code TunerMethods} has it. */
  public PeanutMethod() {
    super("PEANUT", "PeanutModel", "peanut_", PeanutConfig.class, DefaultTargets.LORA);
  }

  @Override
  public PeanutConfig parse(Map<String, ? extends @Nullable Object> values) {
    return PeanutConfig.of(values);
  }

  @Override
  public boolean canAdapt(Module layer) {
    return layer instanceof LinearLayer && !(layer instanceof Conv1D);
  }

  @Override
  public String adaptable() {
    return "linear layers (Linear, quantized), not Conv1D";
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, PeanutConfig config) {
    int r = config.r();
    long out = site.linear().outFeatures();
    Init inner = Init.kaimingUniform(r);
    Parameter first = site.parameter(Init.kaimingUniform(out), r, out);
    List<Parameter> encoders = hidden(site, inner, config);
    List<Parameter> decoders = hidden(site, inner, config);
    Parameter last = site.parameter(config.initWeights() ? Init.zeros() : inner, out, r);
    return new PeanutAdapter(
        List.of(first, last),
        encoders,
        decoders,
        site.linear(),
        Activation.of(config.actFn(), "PeanutConfig: actFn"),
        config.scaling());
  }

  private static List<Parameter> hidden(LayerSite site, Init init, PeanutConfig config) {
    return Stream.generate(() -> site.parameter(init, config.r(), config.r()))
        .limit(config.depth())
        .toList();
  }
}
