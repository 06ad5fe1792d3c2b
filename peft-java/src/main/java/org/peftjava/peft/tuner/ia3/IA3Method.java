package org.peftjava.peft.tuner.ia3;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.BaseModel;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.torch.nn.Init;

/** IA3. Reference: PEFT {@code tuners/ia3/model.py::IA3Model}. */
public final class IA3Method extends LayerTunerMethod<IA3Config> {
  private static final DefaultTargets FEEDFORWARD = DefaultTargets.of("ia3-feedforward");

  /** The method; {@code TunerMethods} has it. */
  public IA3Method() {
    super("IA3", "IA3Model", "ia3_", IA3Config.class, DefaultTargets.of("ia3"));
  }

  @Override
  public IA3Config parse(Map<String, ? extends @Nullable Object> values) {
    return IA3Config.of(values);
  }

  /** Fills in the architecture's feed-forward modules. */
  @Override
  public IA3Config prepared(IA3Config config, BaseModel model) {
    if (!(config.feedforwardModules() instanceof TargetModules.ModelDefault)) {
      return config;
    }
    return model
        .modelType()
        .flatMap(FEEDFORWARD::get)
        .map(names -> config.with(IA3Config.FEEDFORWARD, names))
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "Give feedforwardModules in IA3Config: there is no default for "
                        + model.className()
                        + ". Name the targeted modules whose input is to be scaled, or none."));
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, IA3Config config) {
    boolean scalesInput = config.feedforwardModules().selects(site.path(), "feedforwardModules");
    Init init = config.initIa3Weights() ? Init.ones() : Init.normal(1);
    return new IA3Adapter(
        scalesInput
            ? site.parameter(init, 1, site.linear().inFeatures())
            : site.parameter(init, site.linear().outFeatures(), 1),
        scalesInput);
  }
}
