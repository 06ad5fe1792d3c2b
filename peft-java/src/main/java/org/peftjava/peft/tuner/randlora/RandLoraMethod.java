package org.peftjava.peft.tuner.randlora;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.peft.tuner.SharedWeights;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Module;

/** RandLoRA. Reference: PEFT {@code tuners/randlora/model.py::RandLoraModel}. */
public final class RandLoraMethod extends LayerTunerMethod<RandLoraConfig> {
  /** The method; {@code TunerMethods} has it. */
  public RandLoraMethod() {
    super("RANDLORA", "RandLoraModel", "randlora_", RandLoraConfig.class, DefaultTargets.LORA);
  }

  @Override
  public RandLoraConfig parse(Map<String, ? extends @Nullable Object> values) {
    return RandLoraConfig.of(values);
  }

  @Override
  public SharedWeights newShared(RandLoraConfig config, Map<String, Module> layers) {
    return RandomBases.draw(config, layers);
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, RandLoraConfig config) {
    long in = site.linear().inFeatures();
    long out = site.linear().outFeatures();
    long r = config.r();
    long small = Math.min(in, out);
    long n = (small + r - 1) / r;
    boolean quiet = config.initWeights();
    double start = quiet ? 1.0 / Math.max(n, small) : 1.0 / Math.max(in, out);
    return new RandLoraAdapter(
        site.parameter(quiet ? Init.zeros() : Init.normal(1), r, n),
        site.parameter(Init.constant(start), n, small),
        site.shared().get(RandomBases.A),
        site.shared().get(RandomBases.B),
        in,
        out,
        config.randloraAlpha() / r,
        config.randloraDropout());
  }
}
