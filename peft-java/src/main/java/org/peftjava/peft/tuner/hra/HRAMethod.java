package org.peftjava.peft.tuner.hra;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Module;

/** HRA. Reference: PEFT {@code tuners/hra/model.py::HRAModel}. */
public final class HRAMethod extends LayerTunerMethod<HRAConfig> {
  /** The method; {@code TunerMethods} has it. */
  public HRAMethod() {
    super("HRA", "HRAModel", "hra_", HRAConfig.class, DefaultTargets.LORA);
  }

  @Override
  public HRAConfig parse(Map<String, ? extends @Nullable Object> values) {
    return HRAConfig.of(values);
  }

  @Override
  public List<String> warnings(HRAConfig config, Map<String, Module> layers) {
    List<String> result = new ArrayList<>(super.warnings(config, layers));
    if (config.initWeights() && config.r() % 2 != 0) {
      result.add(
          "r is odd, "
              + config.r()
              + ": the reflections do not cancel, and the adapter changes the"
              + " model from the start. Use an even r.");
    }
    return result;
  }

  @Override
  public String layerType(String kind) {
    return "hra.HRA" + kind;
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, HRAConfig config) {
    long in = site.linear().inFeatures();
    int r = config.r();
    if (config.applyGs() && r > in) {
      throw config
          .fields()
          .invalid(
              "r",
              "must not be above the "
                  + in
                  + " input features of \""
                  + site.path()
                  + "\" with applyGs");
    }
    boolean pairs = config.initWeights() && r % 2 == 0;
    Init init = pairs ? HRAMethod::fillPairs : Init.kaimingUniform(r);
    return new HRAAdapter(site.parameter(init, in, r), config.applyGs());
  }

  /** Each vector twice, so that its two reflections cancel. */
  private static void fillPairs(Tensor u) {
    long in = u.size(0);
    long half = u.size(1) / 2;
    Tensor each = u.narrow(1, 0, half).copy();
    Init.kaimingUniform(half).fill(each);
    u.copyInPlace(each.unsqueeze(-1).expand(in, half, 2).reshape(in, 2 * half));
  }
}
