package org.peftjava.peft.tuner.psoft;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.LinearAlgebra.Svd;
import org.peftjava.torch.SeededRandom;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;

/** PSOFT. Reference: PEFT {@code tuners/psoft/model.py::PsoftModel}. */
public final class PsoftMethod extends LayerTunerMethod<PsoftConfig> {
  /** The method; {@code TunerMethods} has it. */
  public PsoftMethod() {
    super("PSOFT", "PsoftModel", "psoft_", PsoftConfig.class, DefaultTargets.LORA);
  }

  @Override
  public PsoftConfig parse(Map<String, ? extends @Nullable Object> values) {
    return PsoftConfig.of(values);
  }

  @Override
  public boolean readsBaseWeights() {
    return true;
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, PsoftConfig config) {
    long in = site.linear().inFeatures();
    long out = site.linear().outFeatures();
    if (config.r() > Math.min(in, out)) {
      throw new IllegalArgumentException(
          "PsoftConfig: r "
              + config.r()
              + " is above the "
              + in
              + " inputs or the "
              + out
              + " outputs of \""
              + site.path()
              + "\". Choose an r that fits all targeted layers.");
    }
    double scaling = config.psoftAlpha() / config.r();
    Parameter a = new Parameter(Shape.of(config.r(), in), DType.FLOAT32, Init.zeros());
    Parameter b = new Parameter(Shape.of(out, config.r()), DType.FLOAT32, Init.zeros());
    try (TensorScope scope = TensorScope.open("decompose");
        GradMode off = GradMode.noGrad()) {
      Svd svd = decomposed(site.linear().denseWeight(DType.FLOAT32), config);
      Tensor values = svd.s().narrow(0, 0, config.r()).div(scaling);
      boolean isShared = config.abSvdInit().equals("pissa_init");
      Tensor ofB = isShared ? values.sqrt() : values;
      Tensor right = svd.vh().narrow(0, 0, config.r());
      a.copyFrom(isShared ? right.mul(ofB.unsqueeze(1)) : right);
      b.copyFrom(svd.u().narrow(1, 0, config.r()).mul(ofB));
    }
    a.to(site.device());
    b.to(site.device());
    a.requiresGrad(false);
    b.requiresGrad(false);
    return new PsoftAdapter(a, b, new PsoftRotation(site, config), scaling, config.psoftDropout());
  }

  private static Svd decomposed(Tensor weight, PsoftConfig config) {
    return config.psoftSvd().equals("full")
        ? LinearAlgebra.svdAsPython(weight)
        : LinearAlgebra.svdLowRank(
            weight,
            config.r(),
            config.psoftSvdLowrankNiter(),
            new SeededRandom(config.randomSeed()));
  }
}
