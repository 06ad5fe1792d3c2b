package org.peftjava.peft.tuner.vera;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.peft.tuner.RandomProjections;
import org.peftjava.peft.tuner.SharedWeights;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Module;

/** VeRA. Reference: PEFT {@code tuners/vera/model.py::VeraModel}. */
public final class VeraMethod extends LayerTunerMethod<VeraConfig> {
  private static final String A = "vera_A";
  private static final String B = "vera_B";

  /** The method; {@code TunerMethods} has it. */
  public VeraMethod() {
    super("VERA", "VeraModel", "vera_lambda_", VeraConfig.class, DefaultTargets.of("vera"));
  }

  @Override
  public VeraConfig parse(Map<String, ? extends @Nullable Object> values) {
    return VeraConfig.of(values);
  }

  @Override
  public SharedWeights newShared(VeraConfig config, Map<String, Module> layers) {
    return new RandomProjections(A, B, config.projectionPrngKey(), config.saveProjection())
        .over(layers, config.r(), config.r());
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, VeraConfig config) {
    long out = site.linear().outFeatures();
    boolean plain = config.initWeights();
    Init inner = plain ? Init.constant(config.dInitial()) : Init.normal(1);
    return new VeraAdapter(
        site.shared().get(A).parameter(),
        site.shared().get(B).parameter(),
        site.parameter(inner, config.r()),
        site.parameter(plain ? Init.zeros() : Init.ones(), out),
        site.linear().inFeatures(),
        config.veraDropout());
  }
}
