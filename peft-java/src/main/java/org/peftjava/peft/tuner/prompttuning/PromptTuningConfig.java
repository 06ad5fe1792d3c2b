package org.peftjava.peft.tuner.prompttuning;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.TextPromptConfig;

/**
 * The configuration of prompt tuning, immutable: how many virtual tokens stand in front of the
 * text, and what they start as.
 *
 * <p>Paper: arXiv:2104.08691. Reference: PEFT {@code tuners/prompt_tuning/config.py}.
 */
public final class PromptTuningConfig extends TextPromptConfig {
  static final String PEFT_TYPE = "PROMPT_TUNING";

  private static final ConfigSchema SCHEMA =
      schema("PromptTuningConfig", PEFT_TYPE, TEXT, "SAMPLE_VOCAB", "RANDOM").build();

  private PromptTuningConfig(ConfigFields fields) {
    super(fields);
  }

  /** A builder with Python's defaults. */
  public static PromptTuningConfigBuilder builder() {
    return new PromptTuningConfigBuilder(Map.of());
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static PromptTuningConfig of(Map<String, ? extends @Nullable Object> values) {
    return new PromptTuningConfig(SCHEMA.read(values));
  }

  /** A builder that starts from this config. */
  public PromptTuningConfigBuilder toBuilder() {
    return new PromptTuningConfigBuilder(fields().values());
  }

  @Override
  public PromptTuningConfig with(String field, @Nullable Object value) {
    return new PromptTuningConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** What the virtual tokens start as. */
  public PromptTuningInit promptTuningInit() {
    return PromptTuningInit.valueOf(fields().text(INIT).orElseThrow());
  }
}
