package org.peftjava.peft.tuner.frod;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.peft.tuner.SharedWeights;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/** FRoD. Reference: PEFT {@code tuners/frod/model.py::FrodModel}. */
public final class FrodMethod extends LayerTunerMethod<FrodConfig> {
  private static final double DEVIATION = 0.1;

  /** The method; {@code TunerMethods} has it. */
  public FrodMethod() {
    super("FROD", "FrodModel", "frod_", FrodConfig.class, DefaultTargets.of("vera"));
  }

  @Override
  public FrodConfig parse(Map<String, ? extends @Nullable Object> values) {
    return FrodConfig.of(values);
  }

  @Override
  public boolean readsBaseWeights() {
    return true;
  }

  @Override
  public SharedWeights newShared(FrodConfig config, Map<String, Module> layers) {
    return new SharedBases(config).over(layers);
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, FrodConfig config) {
    String role = SharedBases.role(site.path());
    Parameter places = site.shared().get(SharedBases.PLACES + role).parameter();
    Factors factors =
        Factors.of(
            site.linear(),
            site.baseType(),
            site.device(),
            site.shared().get(SharedBases.BASIS + role).parameter());
    boolean plain = config.initWeights();
    Init lengths =
        tensor -> {
          tensor.copyInPlace(factors.compute());
          if (!plain) {
            Tensor noise = tensor.copy().normalInPlace(0, DEVIATION);
            tensor.addInPlace(noise);
          }
        };
    Init values = plain ? Init.zeros() : Init.normal(DEVIATION);
    Parameter numbers = site.parameter(values, places.shape().get(1));
    return new FrodAdapter(
        site.linear(),
        factors,
        places,
        site.parameter(lengths, site.linear().inFeatures()),
        numbers,
        config.frodDropout());
  }
}
