package org.peftjava.peft.tuner.pvera;

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

/** PVeRA. Reference: PEFT {@code tuners/pvera/model.py::PveraModel}. */
public final class PveraMethod extends LayerTunerMethod<PveraConfig> {
  private static final String A = "pvera_A";
  private static final String B = "pvera_B";

  /** The method; {@code TunerMethods} has it. */
  public PveraMethod() {
    super("PVERA", "PveraModel", "pvera_lambda_", PveraConfig.class, DefaultTargets.LORA);
  }

  @Override
  public PveraConfig parse(Map<String, ? extends @Nullable Object> values) {
    return PveraConfig.of(values);
  }

  /** A has rows for means and for variances. */
  @Override
  public SharedWeights newShared(PveraConfig config, Map<String, Module> layers) {
    return new RandomProjections(A, B, config.projectionPrngKey(), config.saveProjection())
        .over(layers, 2L * config.r(), config.r());
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, PveraConfig config) {
    long out = site.linear().outFeatures();
    boolean plain = config.initWeights();
    Init inner = plain ? Init.constant(config.dInitial()) : Init.normal(1);
    return new PveraAdapter(
        site.shared().get(A).parameter(),
        site.shared().get(B).parameter(),
        site.parameter(inner, 2L * config.r()),
        site.parameter(plain ? Init.zeros() : Init.ones(), out),
        site.linear().inFeatures(),
        config);
  }
}
