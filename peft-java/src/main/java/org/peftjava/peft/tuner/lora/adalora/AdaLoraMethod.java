package org.peftjava.peft.tuner.lora.adalora;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.AdapterTraining;
import org.peftjava.peft.tuner.DefaultTargets;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.LayerTunerMethod;
import org.peftjava.peft.tuner.TokenTargets;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/** AdaLoRA. Reference: PEFT {@code tuners/adalora/model.py::AdaLoraModel}. */
public final class AdaLoraMethod extends LayerTunerMethod<AdaLoraConfig> {
  private static final int LORA_R = 8;

  /** The method; {@code TunerMethods} has it. */
  public AdaLoraMethod() {
    super("ADALORA", "AdaLoraModel", "lora_", AdaLoraConfig.class, DefaultTargets.of("adalora"));
  }

  @Override
  public AdaLoraConfig parse(Map<String, ? extends @Nullable Object> values) {
    return AdaLoraConfig.of(values);
  }

  @Override
  public void checkSupported(AdaLoraConfig config) {
    config
        .unusable()
        .ifPresent(
            fields -> {
              throw new UnsupportedOperationException(
                  "AdaLoRA does not use " + fields + ". Unset what it does not use.");
            });
  }

  @Override
  public List<String> warnings(AdaLoraConfig config, Map<String, Module> layers) {
    List<String> result =
        new ArrayList<>(super.warnings(config.withRanks(Map.of()), layers)); // not LoRA's pattern
    if (config.fields().integer("r") != LORA_R) {
      result.add("r is not used by AdaLoRA. The rank at first is initR, " + config.initR() + ".");
    }
    if (config.fields().flag("use_rslora")) {
      result.add("useRslora has no effect on AdaLoRA.");
    }
    List<String> unknown =
        config.rankPattern().keySet().stream().filter(path -> !layers.containsKey(path)).toList();
    if (!unknown.isEmpty()) {
      throw config
          .fields()
          .invalid("rank_pattern", "names layers that are not adapted: " + unknown);
    }
    return result;
  }

  @Override
  public TokenTargets tokens(AdaLoraConfig config) {
    return TokenTargets.ofField(config.fields(), "trainable_token_indices", false);
  }

  @Override
  public String layerType(String kind) {
    return "adalora.SVD" + kind;
  }

  @Override
  public LayerAdapter newAdapter(LayerSite site, AdaLoraConfig config) {
    List<Boolean> kept =
        config
            .rankPattern()
            .getOrDefault(site.path(), Collections.nCopies(config.initR(), Boolean.TRUE));
    long r = kept.stream().filter(each -> each).count();
    long d = site.linear().inFeatures();
    long o = site.linear().outFeatures();
    // Drawn as in Python, where all but the last two numbers are overwritten if init is true.
    Parameter a = site.parameter(Init.normal(1), r, d);
    Parameter e = site.parameter(Init.normal(1), r, 1);
    Parameter b = site.parameter(Init.normal(1), o, r);
    Parameter ranknum = site.parameter(Init.normal(1), 1);
    Init.constant(config.initR()).fill(ranknum.tensor());
    if (config.initLoraWeights()) {
      Init.zeros().fill(e.tensor());
      Init.normal(0.02).fill(a.tensor());
      Init.normal(0.02).fill(b.tensor());
    }
    return new AdaLoraAdapter(
        a,
        e,
        b,
        ranknum,
        kept,
        config.loraAlpha() > 0 ? config.loraAlpha() : config.initR(),
        config.loraDropout());
  }

  @Override
  public Optional<AdapterTraining<AdaLoraConfig>> training(
      AdaLoraConfig config, Map<String, LayerAdapter> adapters) {
    Map<String, AdaLoraAdapter> own = new LinkedHashMap<>();
    adapters.forEach(
        (path, adapter) -> {
          if (adapter instanceof AdaLoraAdapter ofLayer) { // others train tokens
            own.put(path, ofLayer);
          }
        });
    return Optional.of(new AdaLoraTraining(config, own));
  }
}
