package org.peftjava.peft.tuner.miss;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.torch.nn.Init;

/** MiSS. Reference: PEFT {@code tuners/miss/model.py::MissModel}. */
public final class MissMethod extends LayerTunerMethod<MissConfig> {
  /** The method; {@code TunerMethods} has it. */
  public MissMethod() {
    super("MISS", "MissModel", "miss_", MissConfig.class, DefaultTargets.LORA);
  }

  @Override
  public MissConfig parse(Map<String, ? extends @Nullable Object> values) {
    return MissConfig.of(values);
  }

  @Override
  public String layerType(String kind) {
    return "miss.Miss" + kind;
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, MissConfig config) {
    long in = site.linear().inFeatures();
    long out = site.linear().outFeatures();
    int r = config.r();
    if (r > in) {
      throw unfit(config, "r", "must not be above the " + in + " input features", site);
    }
    Object variant = config.fields().get("init_weights");
    if ("bat".equals(variant)) {
      if (in % r != 0 || out % r != 0) {
        throw unfit(
            config, "r", "must divide input and output features, " + in + " and " + out, site);
      }
      return new BatAdapter(site.linear(), site.parameter(Init.zeros(), out / r, r, r));
    }
    boolean mini = "mini".equals(variant);
    if (mini && out % config.miniR() != 0) {
      throw unfit(config, "mini_r", "must divide the " + out + " output features", site);
    }
    Init init = Boolean.FALSE.equals(variant) ? Init.kaimingUniform(out) : Init.zeros();
    return new MissAdapter(
        site.parameter(init, r, mini ? config.miniR() : out), in, out, config.missDropout());
  }

  private static IllegalArgumentException unfit(
      MissConfig config, String field, String rule, LayerSite site) {
    return config.fields().invalid(field, rule + " of \"" + site.path() + "\"");
  }
}
