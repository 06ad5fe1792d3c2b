package org.peftjava.peft.tuner.poly;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Init;

/** Poly. Reference: PEFT {@code tuners/poly/model.py::PolyModel}. */
public final class PolyMethod extends LayerTunerMethod<PolyConfig> {
  private static final double ROUTING = 1e-3; // tasks start with nearly equal shares

  /** The method; {@code TunerMethods} has it. */
  public PolyMethod() {
    super("POLY", "PolyModel", "poly_", PolyConfig.class, DefaultTargets.LORA);
  }

  @Override
  public PolyConfig parse(Map<String, ? extends @Nullable Object> values) {
    return PolyConfig.of(values);
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, PolyConfig config) {
    long in = part(site, config, site.linear().inFeatures());
    long out = part(site, config, site.linear().outFeatures());
    long splits = config.nSplits();
    long skills = config.nSkills();
    long r = config.r();
    return new PolyAdapter(
        site.parameter(turned(in), splits, skills, in, r),
        site.parameter(config.initWeights() ? Init.zeros() : turned(r), splits, skills, r, out),
        site.parameter(Init.uniform(ROUTING), config.nTasks(), splits * skills),
        site.tasks());
  }

  private static long part(LayerSite site, PolyConfig config, long features) {
    if (features % config.nSplits() != 0) {
      throw config
          .fields()
          .invalid("n_splits", "must divide the " + features + " features of " + site.path());
    }
    return features / config.nSplits();
  }

  /**
   * As torch's Linear starts, skill by skill and transposed, in the order in which Python draws.
   */
  private static Init turned(long fanIn) {
    return target -> {
      try (TensorScope scope = TensorScope.open("skills")) {
        long[] sizes = target.shape().toArray();
        Tensor drawn =
            Creation.empty(target.dtype(), target.device(), sizes[1], sizes[0], sizes[3], sizes[2]);
        Init.kaimingUniform(fanIn).fill(drawn);
        target.copyInPlace(drawn.permute(1, 0, 3, 2));
      }
    };
  }
}
