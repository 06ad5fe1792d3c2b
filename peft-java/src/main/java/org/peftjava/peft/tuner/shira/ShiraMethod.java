package org.peftjava.peft.tuner.shira;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.SeededRandom;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;

/** SHiRA. Reference: PEFT {@code tuners/shira/model.py::ShiraModel, mask_functions.py}. */
public final class ShiraMethod extends LayerTunerMethod<ShiraConfig> {
  private static final long DEFAULT_SEED = 67280421310721L; // of a torch.Generator without a seed

  /** The method; {@code TunerMethods} has it. */
  public ShiraMethod() {
    super("SHIRA", "ShiraModel", "shira_", ShiraConfig.class, DefaultTargets.of("vera"));
  }

  @Override
  public ShiraConfig parse(Map<String, ? extends @Nullable Object> values) {
    return ShiraConfig.of(values);
  }

  /** Places of another mask can only come from a file. */
  @Override
  public void checkSupported(ShiraConfig config) {
    if (!config.maskType().equals("random") && !config.inferenceMode()) {
      throw new UnsupportedOperationException(
          "ShiraConfig: maskType \""
              + config.maskType()
              + "\" is not known here. Use \"random\", or load a trained adapter.");
    }
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, ShiraConfig config) {
    long in = site.linear().inFeatures();
    long out = site.linear().outFeatures();
    long count = config.r() * (in + out);
    if (count > in * out) {
      throw new IllegalArgumentException(
          "ShiraConfig: r "
              + config.r()
              + " would change "
              + count
              + " weights of \""
              + site.path()
              + "\", which has "
              + in * out
              + ". Choose a smaller r.");
    }
    long seed = config.randomSeed().isPresent() ? config.randomSeed().getAsInt() : DEFAULT_SEED;
    Parameter places = new Parameter(Shape.of(2, count), DType.INT32, Init.zeros());
    try (TensorScope scope = TensorScope.open("choose places")) {
      places.copyFrom(places(in * out, count, in, seed));
    }
    places.to(site.device());
    Init init = config.initWeights() ? Init.zeros() : Init.normal(1);
    return new ShiraAdapter(site.parameter(init, count), places, out, in);
  }

  /** Rows and columns of random places, in the order of a mask: row by row. */
  private static Tensor places(long all, long count, long width, long seed) {
    Tensor chosen = new SeededRandom(seed).permutation(all).narrow(0, 0, count);
    Tensor flat = Ops.sort(chosen, false).values();
    Tensor rows = flat.div((double) width).to(DType.INT64);
    return Creation.stack(List.of(rows, flat.sub(rows.mul((double) width))), 0);
  }
}
