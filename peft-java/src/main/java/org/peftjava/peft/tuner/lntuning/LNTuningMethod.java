package org.peftjava.peft.tuner.lntuning;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.peft.tuner.ReplacingAdapter;
import org.peftjava.torch.nn.Module;

/**
 * LN tuning: a trained copy of each targeted norm. Paper: arXiv:2312.11420. Reference: PEFT {@code
 * tuners/ln_tuning/model.py::LNTuningModel}.
 */
public final class LNTuningMethod extends LayerTunerMethod<LNTuningConfig> {
  /** The method; {@code TunerMethods} has it. */
  public LNTuningMethod() {
    super(
        "LN_TUNING",
        "LNTuningModel",
        "ln_tuning_",
        LNTuningConfig.class,
        DefaultTargets.of("ln-tuning"));
  }

  @Override
  public LNTuningConfig parse(Map<String, ? extends @Nullable Object> values) {
    return LNTuningConfig.of(values);
  }

  @Override
  public boolean canAdapt(Module layer) {
    return ReplacingAdapter.fits(layer);
  }

  @Override
  public String adaptable() {
    return "norms (LayerNorm, RmsNorm) with a weight";
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, LNTuningConfig config) {
    return new ReplacingAdapter(site, "ln_tuning_layers");
  }
}
