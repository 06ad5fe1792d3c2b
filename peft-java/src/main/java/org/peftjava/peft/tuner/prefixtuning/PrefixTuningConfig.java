package org.peftjava.peft.tuner.prefixtuning;

import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.PromptFields;
import org.peftjava.peft.tuner.PromptLearningConfig;

/**
 * The configuration of prefix tuning, immutable: how many virtual keys and values stand in front of
 * each layer's, and whether a network computes them.
 *
 * <p>Paper: arXiv:2101.00190. Reference: PEFT {@code tuners/prefix_tuning/config.py}.
 */
public final class PrefixTuningConfig extends PromptLearningConfig {
  static final String PEFT_TYPE = "PREFIX_TUNING";

  private static final String INIT = "init_weights";

  private static final ConfigSchema SCHEMA =
      schema("PrefixTuningConfig", PEFT_TYPE)
          .field(INIT, null)
          .optionalInteger(PromptFields.ENCODER_SIZE, 1)
          .flag("prefix_projection", false)
          .rule(
              fields -> {
                if (!"zero".equals(fields.text(INIT).orElse("zero"))) {
                  throw fields.invalid(INIT, "must be \"zero\" or null");
                }
              })
          .build();

  private PrefixTuningConfig(ConfigFields fields) {
    super(fields);
  }

  /** A builder with Python's defaults. */
  public static PrefixTuningConfigBuilder builder() {
    return new PrefixTuningConfigBuilder(Map.of());
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static PrefixTuningConfig of(Map<String, ? extends @Nullable Object> values) {
    return new PrefixTuningConfig(SCHEMA.read(values));
  }

  /** A builder that starts from this config. */
  public PrefixTuningConfigBuilder toBuilder() {
    return new PrefixTuningConfigBuilder(fields().values());
  }

  @Override
  public PrefixTuningConfig with(String field, @Nullable Object value) {
    return new PrefixTuningConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Whether the prefix starts as zeros instead of random numbers. */
  public boolean startsAsZero() {
    return fields().text(INIT).isPresent();
  }

  /** Inner size of the network; the token's size if absent. */
  public OptionalInt encoderHiddenSize() {
    return number(PromptFields.ENCODER_SIZE);
  }

  /** Whether a network computes the prefix from one vector for each virtual token. */
  public boolean prefixProjection() {
    return fields().flag("prefix_projection");
  }
}
