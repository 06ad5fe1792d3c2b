package org.peftjava.peft.tuner.beft;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.torch.nn.Conv1D;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;

/** BEFT. Reference: PEFT {@code tuners/beft/model.py::BeftModel}. */
public final class BeftMethod extends LayerTunerMethod<BeftConfig> {
  /** The method; {@code TunerMethods} has it. */
  public BeftMethod() {
    super("BEFT", "BeftModel", "beft_", BeftConfig.class, DefaultTargets.of("beft"));
  }

  @Override
  public BeftConfig parse(Map<String, ? extends @Nullable Object> values) {
    return BeftConfig.of(values);
  }

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
  public List<String> warnings(BeftConfig config, Map<String, Module> layers) {
    List<String> result = new ArrayList<>(super.warnings(config, layers));
    List<String> bare =
        layers.entrySet().stream()
            .filter(layer -> ((LinearLayer) layer.getValue()).bias().isEmpty())
            .map(Map.Entry::getKey)
            .toList();
    if (!bare.isEmpty()) {
      result.add("These layers have no bias, so the adapter cannot be merged: " + bare + ".");
    }
    return result;
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, BeftConfig config) {
    Init init = config.initWeights() ? Init.zeros() : Init.normal(1);
    return new BeftAdapter(site.parameter(init, 1, site.linear().outFeatures()));
  }
}
