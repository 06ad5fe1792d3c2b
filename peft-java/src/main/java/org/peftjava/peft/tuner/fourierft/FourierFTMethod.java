package org.peftjava.peft.tuner.fourierft;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.peft.tuner.RandomPlaces;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;

/** FourierFT. Reference: PEFT {@code tuners/fourierft/model.py::FourierFTModel}. */
public final class FourierFTMethod extends LayerTunerMethod<FourierFTConfig> {
  /** The method; {@code TunerMethods} has it. */
  public FourierFTMethod() {
    super(
        "FOURIERFT",
        "FourierFTModel",
        "fourierft_",
        FourierFTConfig.class,
        DefaultTargets.of("fourierft"));
  }

  @Override
  public FourierFTConfig parse(Map<String, ? extends @Nullable Object> values) {
    return FourierFTConfig.of(values);
  }

  @Override
  public String layerType(String kind) {
    return "fourierft.FourierFT" + kind;
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, FourierFTConfig config) {
    int count =
        patternBehindDot(config, "n_frequency_pattern", site.path())
            .orElse(config.nFrequency())
            .intValue();
    Parameter places = RandomPlaces.of("FourierFTConfig", site, count, config.randomLocSeed());
    Init init = config.initWeights() ? Init.zeros() : Init.normal(1);
    return new FourierFTAdapter(
        site.parameter(init, count),
        places,
        site.linear().outFeatures(),
        site.linear().inFeatures(),
        config.scaling());
  }
}
