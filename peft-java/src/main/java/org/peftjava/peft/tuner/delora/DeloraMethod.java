package org.peftjava.peft.tuner.delora;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;

/** DeLoRA. Reference: PEFT {@code tuners/delora/model.py::DeloraModel}. */
public final class DeloraMethod extends LayerTunerMethod<DeloraConfig> {
  private static final String LAMBDAS = "lambda_pattern";

  /** The method; {@code TunerMethods} has it. */
  public DeloraMethod() {
    super("DELORA", "DeloraModel", "delora_", DeloraConfig.class, DefaultTargets.LORA);
  }

  @Override
  public DeloraConfig parse(Map<String, ? extends @Nullable Object> values) {
    return DeloraConfig.of(values);
  }

  @Override
  public List<String> warnings(DeloraConfig config, Map<String, Module> layers) {
    List<String> result = new ArrayList<>(super.warnings(config, layers));
    addUnused(result, config, LAMBDAS, layers);
    return result;
  }

  @Override
  public String layerType(String kind) {
    return "delora.Delora" + kind;
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, DeloraConfig config) {
    LinearLayer layer = site.linear();
    int r = rank(config, site.path());
    double lambda =
        pattern(config, LAMBDAS, site.path()).orElse(config.deloraLambda()).doubleValue();
    Init norms =
        tensor -> tensor.copyInPlace(Ops.norm(layer.denseWeight(DType.FLOAT32), 0).reshape(-1));
    return new DeloraAdapter(
        site.parameter(Init.kaimingUniform(layer.inFeatures()), r, layer.inFeatures()),
        site.parameter(
            config.initWeights() ? Init.zeros() : Init.kaimingUniform(r), layer.outFeatures(), r),
        site.parameter(Init.constant(lambda), 1),
        site.parameter(norms, layer.inFeatures()),
        config.moduleDropout());
  }
}
