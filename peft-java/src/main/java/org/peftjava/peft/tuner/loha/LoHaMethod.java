package org.peftjava.peft.tuner.loha;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.peft.tuner.RankDropout;
import org.peftjava.torch.nn.Init;

/** LoHa. Reference: PEFT {@code tuners/loha/model.py::LoHaModel}. */
public final class LoHaMethod extends LayerTunerMethod<LoHaConfig> {
  /** The method; {@code TunerMethods} has it. */
  public LoHaMethod() {
    super("LOHA", "LoHaModel", "hada_", LoHaConfig.class, DefaultTargets.LORA);
  }

  @Override
  public LoHaConfig parse(Map<String, ? extends @Nullable Object> values) {
    return LoHaConfig.of(values);
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, LoHaConfig config) {
    int r = rank(config, site.path());
    long in = site.linear().inFeatures();
    long out = site.linear().outFeatures();
    Init wide = Init.kaimingUniform(in);
    Init narrow = Init.kaimingUniform(r);
    return new LoHaAdapter(
        List.of(
            site.parameter(narrow, out, r),
            site.parameter(wide, r, in),
            site.parameter(narrow, out, r),
            site.parameter(config.initWeights() ? Init.zeros() : wide, r, in)),
        alpha(config, "alpha", site.path()) / r,
        new RankDropout(config.rankDropout(), config.moduleDropout(), true));
  }
}
