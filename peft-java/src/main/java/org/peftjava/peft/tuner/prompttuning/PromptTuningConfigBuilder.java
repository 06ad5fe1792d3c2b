package org.peftjava.peft.tuner.prompttuning;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.TextPromptConfigBuilder;

/** Collects the fields of a {@link PromptTuningConfig}. */
public final class PromptTuningConfigBuilder
    extends TextPromptConfigBuilder<PromptTuningConfigBuilder> {
  PromptTuningConfigBuilder(Map<String, ? extends @Nullable Object> values) {
    super(values);
  }

  @Override
  protected PromptTuningConfigBuilder self() {
    return this;
  }

  /** What the virtual tokens start as; RANDOM. */
  public PromptTuningConfigBuilder promptTuningInit(PromptTuningInit value) {
    return set("prompt_tuning_init", value.name());
  }

  /** The config, checked. */
  public PromptTuningConfig build() {
    return PromptTuningConfig.of(values());
  }
}
