package org.peftjava.peft.tuner.boft;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;

/** BOFT. Reference: PEFT {@code tuners/boft/model.py::BOFTModel}. */
public final class BOFTMethod extends LayerTunerMethod<BOFTConfig> {
  private static final double SPREAD = 0.1; // of random first values

  /** The method; {@code TunerMethods} has it. */
  public BOFTMethod() {
    super("BOFT", "BOFTModel", "boft_", BOFTConfig.class, DefaultTargets.LORA);
  }

  @Override
  public BOFTConfig parse(Map<String, ? extends @Nullable Object> values) {
    return BOFTConfig.of(values);
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, BOFTConfig config) {
    Butterfly butterfly = Butterfly.of(site, config);
    boolean plain = config.initWeights();
    int b = butterfly.block();
    Parameter blocks =
        site.parameter(
            plain ? Init.zeros() : Init.normal(SPREAD),
            butterfly.arrangements(),
            butterfly.count(),
            b,
            b);
    Init aroundOne = tensor -> tensor.normalInPlace(1, SPREAD);
    Parameter scale =
        site.parameter(plain ? Init.ones() : aroundOne, site.linear().outFeatures(), 1);
    return new BOFTAdapter(site.linear(), butterfly, blocks, scale, config.boftDropout());
  }
}
