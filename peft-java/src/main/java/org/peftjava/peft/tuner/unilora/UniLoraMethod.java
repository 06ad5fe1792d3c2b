package org.peftjava.peft.tuner.unilora;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerAdapter.Weight;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.peft.tuner.SharedWeights;
import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/** Uni-LoRA. Reference: PEFT {@code tuners/unilora/model.py::UniLoraModel}. */
public final class UniLoraMethod extends LayerTunerMethod<UniLoraConfig> {
  private static final String VECTOR = "unilora_theta_d";

  /** The method; {@code TunerMethods} has it. */
  public UniLoraMethod() {
    super("UNILORA", "UniLoraModel", "unilora_", UniLoraConfig.class, DefaultTargets.LORA);
  }

  @Override
  public UniLoraConfig parse(Map<String, ? extends @Nullable Object> values) {
    return UniLoraConfig.of(values);
  }

  @Override
  public String layerType(String kind) {
    return kind;
  }

  @Override
  public SharedWeights newShared(UniLoraConfig config, Map<String, Module> layers) {
    Map<String, List<Parameter>> parts = UniLoraAssignment.of(config, layers);
    Init init = config.initWeights() ? Init.uniform(config.initThetaDBound()) : Init.normal(1);
    Parameter vector = new Parameter(Shape.of(config.thetaDLength()), DType.FLOAT32, init);
    vector.initialize();
    vector.requiresGrad(false);
    return new SharedWeights(List.of(new Weight(VECTOR, "", vector)), Map.of(), parts);
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, UniLoraConfig config) {
    List<Parameter> parts = site.shared().parts(site.path());
    parts.forEach(part -> part.to(site.device()));
    parts.subList(2, 4).forEach(scales -> scales.to(site.baseType()));
    return new UniLoraAdapter(
        site.shared().get(VECTOR).parameter(),
        new UniLoraPlaces(parts.get(0), parts.get(2)),
        new UniLoraPlaces(parts.get(1), parts.get(3)),
        config.uniloraDropout(),
        config.saveIndices());
  }
}
