package org.peftjava.it.ssf;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.torch.nn.Init;

/**
 * A tuning method of another library: outputs of linear layers scaled and shifted (SSF,
 * arXiv:2210.08823). {@code META-INF/services/org.peftjava.peft.tuner.AdapterMethod} names it.
 */
public final class SsfMethod extends LayerTunerMethod<SsfConfig> {
  /** For the service loader. */
  public SsfMethod() {
    super("SSF", "SsfModel", "ssf_", SsfConfig.class, DefaultTargets.LORA);
  }

  @Override
  public SsfConfig parse(Map<String, ? extends @Nullable Object> values) {
    return SsfConfig.of(values);
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, SsfConfig config) {
    long o = site.linear().outFeatures();
    return new SsfAdapter(
        site.parameter(Init.constant(1), o),
        config.shift() ? site.parameter(Init.zeros(), o) : null);
  }
}
