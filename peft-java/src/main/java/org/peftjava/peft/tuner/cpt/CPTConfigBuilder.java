package org.peftjava.peft.tuner.cpt;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.PromptConfigBuilder;

/** Collects the fields of a {@link CPTConfig}. */
public final class CPTConfigBuilder extends PromptConfigBuilder<CPTConfigBuilder> {
  CPTConfigBuilder(Map<String, ? extends @Nullable Object> values) {
    super(values);
  }

  @Override
  protected CPTConfigBuilder self() {
    return this;
  }

  /** The tokens that virtual tokens start as. */
  public CPTConfigBuilder cptTokenIds(List<Long> value) {
    return set(CPTConfig.IDS, value);
  }

  /** 1 for each token; without effect. */
  public CPTConfigBuilder cptMask(List<Long> value) {
    return set(CPTConfig.MASK, value);
  }

  /** What part of which example each token is; 1, which is no answer. */
  public CPTConfigBuilder cptTokensTypeMask(List<Long> value) {
    return set(CPTConfig.TYPES, value);
  }

  /** Whether earlier examples count less: "decay", or "none". */
  public CPTConfigBuilder optWeightedLossType(String value) {
    return set("opt_weighted_loss_type", value);
  }

  /** How much less an example counts than the one after it; 1. */
  public CPTConfigBuilder optLossDecayFactor(double value) {
    return set("opt_loss_decay_factor", value);
  }

  /** How far tokens of inputs may move, for vectors of size 2048; 0.1. */
  public CPTConfigBuilder optProjectionEpsilon(double value) {
    return set("opt_projection_epsilon", value);
  }

  /** How far tokens around inputs and answers may move, for vectors of size 2048; 0.1. */
  public CPTConfigBuilder optProjectionFormatEpsilon(double value) {
    return set("opt_projection_format_epsilon", value);
  }

  /** The tokenizer that made the tokens; without effect. */
  public CPTConfigBuilder tokenizerNameOrPath(String value) {
    return set("tokenizer_name_or_path", value);
  }

  /** The config, checked. */
  public CPTConfig build() {
    return CPTConfig.of(values());
  }
}
