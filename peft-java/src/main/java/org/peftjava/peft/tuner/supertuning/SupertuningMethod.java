package org.peftjava.peft.tuner.supertuning;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Conv1D;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/** Super-Tuning. Reference: PEFT {@code tuners/supertuning/model.py::SupertuningModel}. */
public final class SupertuningMethod extends LayerTunerMethod<SupertuningConfig> {
  /** The method; {@code TunerMethods} has it. */
  public SupertuningMethod() {
    super(
        "SUPERTUNING",
        "SupertuningModel",
        "supertuning_",
        SupertuningConfig.class,
        DefaultTargets.LORA);
  }

  @Override
  public SupertuningConfig parse(Map<String, ? extends @Nullable Object> values) {
    return SupertuningConfig.of(values);
  }

  @Override
  public void checkBeside(SupertuningConfig config, Collection<TunerConfig> others) {
    for (TunerConfig other : others) {
      if (other instanceof SupertuningConfig present
          && present.savePrecomputedIndices() != config.savePrecomputedIndices()) {
        throw config
            .fields()
            .invalid(
                "save_precomputed_indices",
                "must be "
                    + present.savePrecomputedIndices()
                    + ", as for the other adapters of this model");
      }
    }
  }

  /** The places are found in the base weights. */
  @Override
  public boolean readsBaseWeights() {
    return true;
  }

  /** Python's class does not name its method. */
  @Override
  public String layerType(String kind) {
    return kind;
  }

  @Override
  public boolean canAdapt(Module layer) {
    return layer instanceof LinearLayer && !(layer instanceof Conv1D);
  }

  @Override
  public String adaptable() {
    return "linear layers (Linear, quantized), not Conv1D";
  }

  @Override
  public List<String> warnings(SupertuningConfig config, Map<String, Module> layers) {
    List<String> result = new ArrayList<>(super.warnings(config, layers));
    if (!config.savePrecomputedIndices()) {
      result.add(
          "savePrecomputedIndices is false: which elements are trained will be found again in the"
              + " base weights, which must be the same to the last bit when the adapter is"
              + " loaded.");
    }
    return result;
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, SupertuningConfig config) {
    LinearLayer layer = site.linear();
    long in = layer.inFeatures();
    long out = layer.outFeatures();
    long count = count(site.path(), config, in * out);
    Parameter places = new Parameter(Shape.of(count), DType.INT32, Init.zeros());
    if (!(site.lowCpuMemUsage() && config.savePrecomputedIndices())) {
      try (TensorScope scope = TensorScope.open("choose places");
          GradMode off = GradMode.noGrad()) {
        Tensor sizes = layer.denseWeight(layer.computeDtype()).abs().reshape(-1);
        places.copyFrom(Ops.topK(sizes, count, config.selectTop()).indices());
      }
    }
    places.to(site.device());
    Init first = config.initWeights() ? Init.zeros() : Init.normal(1);
    Parameter values = site.parameter(first, count);
    return new SupertuningAdapter(
        values,
        places,
        config.savePrecomputedIndices(),
        out,
        in,
        config.r().isPresent() ? pair(site, config, config.r().getAsInt()) : null);
  }

  private static long count(String path, SupertuningConfig config, long all) {
    long count = (long) (all * (1 - config.sparsity()));
    if (count < 1) {
      throw config
          .fields()
          .invalid(
              "sparsity",
              "leaves none of the "
                  + all
                  + " elements of \""
                  + path
                  + "\" to train, choose a smaller one");
    }
    if (all > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          "Super-Tuning keeps places as 32-bit numbers, but \""
              + path
              + "\" has "
              + all
              + " elements. Leave it out of targetModules.");
    }
    return count;
  }

  /** Draws in Python's order, what its layers draw and Super-Tuning overwrites too. */
  private static SupertuningAdapter.Pair pair(LayerSite site, SupertuningConfig config, int r) {
    Init ofA = Init.kaimingUniform(site.linear().inFeatures());
    Init ofB = Init.kaimingUniform(r);
    Parameter a =
        new Parameter(Shape.of(r, site.linear().inFeatures()), DType.FLOAT32, site.drawn(ofA));
    Parameter b =
        new Parameter(Shape.of(site.linear().outFeatures(), r), DType.FLOAT32, site.drawn(ofB));
    a.initialize();
    b.initialize();
    try (TensorScope scope = TensorScope.open("first values");
        GradMode off = GradMode.noGrad()) {
      site.drawn(ofA).fill(a.tensor());
      site.drawn(config.initWeights() ? Init.zeros() : ofB).fill(b.tensor());
    }
    return new SupertuningAdapter.Pair(
        site.place(a), site.place(b), config.loraAlpha() / r, config.loraDropout());
  }
}
