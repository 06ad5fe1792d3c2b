package org.peftjava.peft.tuner.prefixtuning;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.PromptConfigBuilder;
import org.peftjava.peft.tuner.PromptFields;

/** Collects the fields of a {@link PrefixTuningConfig}. */
public final class PrefixTuningConfigBuilder
    extends PromptConfigBuilder<PrefixTuningConfigBuilder> {
  PrefixTuningConfigBuilder(Map<String, ? extends @Nullable Object> values) {
    super(values);
  }

  @Override
  protected PrefixTuningConfigBuilder self() {
    return this;
  }

  /** "zero" for a prefix that starts as zeros; random. */
  public PrefixTuningConfigBuilder initWeights(String value) {
    return set("init_weights", value);
  }

  /** Inner size of the network; the token's size. */
  public PrefixTuningConfigBuilder encoderHiddenSize(int value) {
    return set(PromptFields.ENCODER_SIZE, value);
  }

  /** Whether a network computes the prefix; false. */
  public PrefixTuningConfigBuilder prefixProjection(boolean value) {
    return set("prefix_projection", value);
  }

  /** The config, checked. */
  public PrefixTuningConfig build() {
    return PrefixTuningConfig.of(values());
  }
}
