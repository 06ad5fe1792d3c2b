package org.peftjava.peft.tuner.glora;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.torch.Shape;
import org.peftjava.torch.nn.LinearLayer;

/** GLoRA. Reference: PEFT {@code tuners/glora/model.py::GloraModel}. */
public final class GloraMethod extends LayerTunerMethod<GloraConfig> {
  /** The method; {@code TunerMethods} has it. */
  public GloraMethod() {
    super("GLORA", "GloraModel", "glora_", GloraConfig.class, DefaultTargets.LORA);
  }

  @Override
  public GloraConfig parse(Map<String, ? extends @Nullable Object> values) {
    return GloraConfig.of(values);
  }

  @Override
  public String layerType(String kind) {
    return "glora.Glora" + kind;
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, GloraConfig config) {
    LinearLayer linear = site.linear();
    Shape weight = Shape.of(linear.outFeatures(), linear.inFeatures());
    Shape column = Shape.of(linear.inFeatures(), 1);
    Shape bias = Shape.of(linear.outFeatures());
    String ofC = linear.bias().isPresent() ? config.configC() : "none";
    String ofBias = linear.bias().isPresent() ? config.configDE() : "none";
    return new GloraAdapter(
        List.of(
            GloraPath.of(site, config, "glora_A", config.configAB(), weight),
            GloraPath.of(site, config, "glora_B", config.configAB(), weight),
            GloraPath.of(site, config, "glora_C", ofC, column),
            GloraPath.of(site, config, "glora_D", ofBias, bias),
            GloraPath.of(site, config, "glora_E", ofBias, bias)),
        linear,
        site.adapterType());
  }
}
