package org.peftjava.peft.tuner.road;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.torch.nn.Init;

/** RoAd. Reference: PEFT {@code tuners/road/model.py::RoadModel}. */
public final class RoadMethod extends LayerTunerMethod<RoadConfig> {
  private static final double STD = 0.5; // of values that are not to be without effect

  /** The method; {@code TunerMethods} has it. */
  public RoadMethod() {
    super("ROAD", "RoadModel", "road_", RoadConfig.class, DefaultTargets.LORA);
  }

  @Override
  public RoadConfig parse(Map<String, ? extends @Nullable Object> values) {
    return RoadConfig.of(values);
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, RoadConfig config) {
    long out = site.linear().outFeatures();
    if (out % config.groupSize() != 0) {
      throw new IllegalArgumentException(
          "RoadConfig: groupSize "
              + config.groupSize()
              + " does not divide the "
              + out
              + " outputs of \""
              + site.path()
              + "\". Choose an even divisor.");
    }
    RoadVariant variant = RoadVariant.parse(config.variant());
    long size = out / 2 * variant.perPair();
    boolean quiet = config.initWeights();
    return new RoadAdapter(
        site.parameter(quiet ? Init.zeros() : Init.normal(STD), size),
        site.parameter(quiet ? Init.ones() : tensor -> tensor.normalInPlace(1, STD), size),
        variant,
        config.groupSize());
  }
}
