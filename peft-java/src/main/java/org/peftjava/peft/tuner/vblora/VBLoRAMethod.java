package org.peftjava.peft.tuner.vblora;

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

/** VB-LoRA. Reference: PEFT {@code tuners/vblora/model.py::VBLoRAModel}. */
public final class VBLoRAMethod extends LayerTunerMethod<VBLoRAConfig> {
  private static final String BANK = "vblora_vector_bank";

  /** The method; {@code TunerMethods} has it. */
  public VBLoRAMethod() {
    super("VBLORA", "VBLoRAModel", "vblora_", VBLoRAConfig.class, DefaultTargets.of("vblora"));
  }

  @Override
  public VBLoRAConfig parse(Map<String, ? extends @Nullable Object> values) {
    return VBLoRAConfig.of(values);
  }

  @Override
  public SharedWeights newShared(VBLoRAConfig config, Map<String, Module> layers) {
    Parameter bank =
        new Parameter(
            Shape.of(config.numVectors(), config.vectorLength()),
            DType.FLOAT32,
            Init.uniform(config.initVectorBankBound()));
    bank.initialize();
    bank.requiresGrad(false);
    return new SharedWeights(List.of(new Weight(BANK, "", bank)));
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, VBLoRAConfig config) {
    long in = site.linear().inFeatures();
    long out = site.linear().outFeatures();
    long length = config.vectorLength();
    if (in % length != 0 || out % length != 0) {
      throw new IllegalArgumentException(
          "VBLoRAConfig: vectorLength "
              + length
              + " does not divide the "
              + in
              + " inputs and "
              + out
              + " outputs of \""
              + site.path()
              + "\". Choose a common divisor of all targeted layers.");
    }
    Init init = Init.normal(config.initLogitsStd());
    long n = config.numVectors();
    return new VBLoRAAdapter(
        new Mixture(site.parameter(init, config.r(), in / length, n), config.topk()),
        new Mixture(site.parameter(init, out / length, config.r(), n), config.topk()),
        site.shared().get(BANK).parameter(),
        config.vbloraDropout(),
        config.saveOnlyTopkWeights());
  }
}
