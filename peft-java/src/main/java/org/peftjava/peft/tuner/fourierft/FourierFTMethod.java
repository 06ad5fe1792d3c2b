package org.peftjava.peft.tuner.fourierft;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.peft.tuner.PatternValues;
import org.peftjava.torch.DType;
import org.peftjava.torch.SeededRandom;
import org.peftjava.torch.Shape;
import org.peftjava.torch.TensorScope;
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
    long in = site.linear().inFeatures();
    long out = site.linear().outFeatures();
    long count = frequencies(config, site.path());
    if (count < 1 || count > in * out) {
      throw new IllegalArgumentException(
          "FourierFTConfig: nFrequency "
              + count
              + " does not fit \""
              + site.path()
              + "\", which has "
              + in * out
              + " weights. Choose fewer, or give this layer its own number in nFrequencyPattern.");
    }
    Parameter places = new Parameter(Shape.of(count), DType.INT64, Init.zeros());
    try (TensorScope scope = TensorScope.open("choose frequencies")) {
      SeededRandom random = new SeededRandom(config.randomLocSeed());
      places.copyFrom(random.permutation(in * out).narrow(0, 0, count));
    }
    places.to(site.device());
    Init init = config.initWeights() ? Init.zeros() : Init.normal(1);
    return new FourierFTAdapter(site.parameter(init, count), places, out, in, config.scaling());
  }

  private static long frequencies(FourierFTConfig config, String path) {
    Map<String, Number> pattern = config.fields().numbers("n_frequency_pattern");
    return PatternValues.keyFor(pattern.keySet(), path, "nFrequencyPattern")
        .map(pattern::get)
        .orElse(config.nFrequency())
        .longValue();
  }
}
