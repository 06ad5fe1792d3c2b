package org.peftjava.peft.tuner.vera;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerAdapter.Role;
import org.peftjava.peft.tuner.LayerAdapter.Weight;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.peft.tuner.SharedWeights;
import org.peftjava.torch.DType;
import org.peftjava.torch.SeededRandom;
import org.peftjava.torch.Shape;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/** VeRA. Reference: PEFT {@code tuners/vera/model.py::VeraModel}. */
public final class VeraMethod extends LayerTunerMethod<VeraConfig> {
  private static final String A = "vera_A";
  private static final String B = "vera_B";

  /** The method; {@code TunerMethods} has it. */
  public VeraMethod() {
    super("VERA", "VeraModel", "vera_lambda_", VeraConfig.class, DefaultTargets.of("vera"));
  }

  @Override
  public VeraConfig parse(Map<String, ? extends @Nullable Object> values) {
    return VeraConfig.of(values);
  }

  /** A and B, as large as the largest layer needs, from the config's seed. */
  @Override
  public SharedWeights newShared(VeraConfig config, Map<String, Module> layers) {
    long in = 0;
    long out = 0;
    for (Module layer : layers.values()) {
      in = Math.max(in, ((LinearLayer) layer).inFeatures());
      out = Math.max(out, ((LinearLayer) layer).outFeatures());
    }
    SeededRandom random = new SeededRandom(config.projectionPrngKey());
    Role role = config.saveProjection() ? Role.BUFFER : Role.DERIVED;
    return new SharedWeights(
        List.of(
            new Weight(A, "", drawn(random, config.r(), in), role),
            new Weight(B, "", drawn(random, out, config.r()), role)));
  }

  /** {@code kaiming_uniform_} with its default gain: uniform in ±sqrt(6/columns). */
  private static Parameter drawn(SeededRandom random, long rows, long columns) {
    double bound = Math.sqrt(3) * (Math.sqrt(2) / Math.sqrt((double) columns));
    Parameter result =
        new Parameter(
            Shape.of(rows, columns),
            DType.FLOAT32,
            tensor -> random.uniform(tensor, -bound, bound));
    result.initialize();
    result.requiresGrad(false);
    return result;
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, VeraConfig config) {
    long out = site.linear().outFeatures();
    boolean plain = config.initWeights();
    Init inner = plain ? Init.constant(config.dInitial()) : Init.normal(1);
    return new VeraAdapter(
        site.shared().get(A).parameter(),
        site.shared().get(B).parameter(),
        site.parameter(inner, config.r()),
        site.parameter(plain ? Init.zeros() : Init.ones(), out),
        site.linear().inFeatures(),
        config.veraDropout());
  }
}
