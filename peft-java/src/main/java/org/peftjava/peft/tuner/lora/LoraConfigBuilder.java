package org.peftjava.peft.tuner.lora;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Collects the fields of a {@link LoraConfig}. */
public final class LoraConfigBuilder extends LoraFieldsBuilder<LoraConfigBuilder> {
  LoraConfigBuilder(Map<String, ? extends @Nullable Object> values) {
    super(values);
  }

  @Override
  protected LoraConfigBuilder self() {
    return this;
  }

  /**
   * Ranks for modules whose path ends with a match of the pattern; the first that matches counts.
   */
  public LoraConfigBuilder rankPattern(Map<String, Integer> value) {
    return set("rank_pattern", value);
  }

  /** The config, checked. */
  public LoraConfig build() {
    return LoraConfig.of(values());
  }
}
