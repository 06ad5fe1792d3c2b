package org.peftjava.peft.tuner.gralora;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.torch.nn.Init;

/** GraLoRA. Reference: PEFT {@code tuners/gralora/model.py::GraloraModel}. */
public final class GraloraMethod extends LayerTunerMethod<GraloraConfig> {
  /** The method; {@code TunerMethods} has it. */
  public GraloraMethod() {
    super("GRALORA", "GraloraModel", "gralora_", GraloraConfig.class, DefaultTargets.LORA);
  }

  @Override
  public GraloraConfig parse(Map<String, ? extends @Nullable Object> values) {
    return GraloraConfig.of(values);
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, GraloraConfig config) {
    long in = site.linear().inFeatures();
    long out = site.linear().outFeatures();
    int k = config.graloraK();
    if (in % k != 0 || out % k != 0) {
      throw config
          .fields()
          .invalid(
              "gralora_k",
              "must divide input and output features, "
                  + in
                  + " and "
                  + out
                  + " of \""
                  + site.path()
                  + "\"");
    }
    int r = config.r();
    int h = config.hybridR();
    boolean plain = config.initWeights();
    return new GraloraAdapter(
        site.parameter(Init.kaimingUniform(in / k), k, in / k, r),
        site.parameter(plain ? Init.zeros() : Init.kaimingUniform(r), k, r, out / k),
        h == 0
            ? null
            : new GraloraAdapter.Hybrid(
                site.parameter(Init.kaimingUniform(in), h, in),
                site.parameter(plain ? Init.zeros() : Init.kaimingUniform(h), out, h)),
        config.alpha() / (r + h),
        config.graloraDropout());
  }
}
