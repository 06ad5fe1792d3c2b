package org.peftjava.peft.tuner.lora.adalora;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.lora.LoraFieldsBuilder;

/** Collects the fields of an {@link AdaLoraConfig}. */
public final class AdaLoraConfigBuilder extends LoraFieldsBuilder<AdaLoraConfigBuilder> {
  AdaLoraConfigBuilder(Map<String, ? extends @Nullable Object> values) {
    super(values);
  }

  @Override
  protected AdaLoraConfigBuilder self() {
    return this;
  }

  /** Rank that is left in the mean of the layers; 8. */
  public AdaLoraConfigBuilder targetR(int value) {
    return set("target_r", value);
  }

  /** Rank of each layer at first; 12. */
  public AdaLoraConfigBuilder initR(int value) {
    return set("init_r", value);
  }

  /** Steps before ranks are taken away; 0. */
  public AdaLoraConfigBuilder tinit(int value) {
    return set("tinit", value);
  }

  /** Steps after the last rank was taken away; 0. */
  public AdaLoraConfigBuilder tfinal(int value) {
    return set("tfinal", value);
  }

  /** Steps from one choice of ranks to the next; 1. */
  public AdaLoraConfigBuilder deltaT(int value) {
    return set("deltaT", value);
  }

  /** Smoothing of the sensitivity; 0.85. */
  public AdaLoraConfigBuilder beta1(double value) {
    return set("beta1", value);
  }

  /** Smoothing of its uncertainty; 0.85. */
  public AdaLoraConfigBuilder beta2(double value) {
    return set("beta2", value);
  }

  /** What the penalty of vectors that are not orthogonal is multiplied by; 0.5. */
  public AdaLoraConfigBuilder orthRegWeight(double value) {
    return set("orth_reg_weight", value);
  }

  /** All steps of the training; must be set. */
  public AdaLoraConfigBuilder totalStep(int value) {
    return set("total_step", value);
  }

  /** Which ranks are kept, by {@code <layer>.lora_E}; training fills it. */
  public AdaLoraConfigBuilder rankPattern(Map<String, List<Boolean>> value) {
    return set("rank_pattern", value);
  }

  /** The config, checked. */
  public AdaLoraConfig build() {
    return AdaLoraConfig.of(values());
  }
}
