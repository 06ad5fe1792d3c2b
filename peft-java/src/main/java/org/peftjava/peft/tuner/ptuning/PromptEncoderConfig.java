package org.peftjava.peft.tuner.ptuning;

import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.PromptFields;
import org.peftjava.peft.tuner.PromptLearningConfig;

/**
 * The configuration of P-tuning, immutable: how many virtual tokens stand in front of the text, and
 * which network computes them.
 *
 * <p>Paper: arXiv:2103.10385. Reference: PEFT {@code tuners/p_tuning/config.py}.
 */
public final class PromptEncoderConfig extends PromptLearningConfig {
  static final String PEFT_TYPE = "P_TUNING";

  static final int DEFAULT_LAYERS = 2;

  private static final String TYPE = "encoder_reparameterization_type";

  private static final ConfigSchema SCHEMA =
      schema("PromptEncoderConfig", PEFT_TYPE)
          .oneOf(TYPE, "MLP", "MLP", "LSTM")
          .optionalInteger(PromptFields.ENCODER_SIZE, 1)
          .integer("encoder_num_layers", DEFAULT_LAYERS, 1)
          .dropout("encoder_dropout", 0)
          .build();

  private PromptEncoderConfig(ConfigFields fields) {
    super(fields);
  }

  /** A builder with Python's defaults. */
  public static PromptEncoderConfigBuilder builder() {
    return new PromptEncoderConfigBuilder(Map.of());
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static PromptEncoderConfig of(Map<String, ? extends @Nullable Object> values) {
    return new PromptEncoderConfig(SCHEMA.read(values));
  }

  /** A builder that starts from this config. */
  public PromptEncoderConfigBuilder toBuilder() {
    return new PromptEncoderConfigBuilder(fields().values());
  }

  @Override
  public PromptEncoderConfig with(String field, @Nullable Object value) {
    return new PromptEncoderConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** The kind of network. */
  public PromptEncoderReparameterizationType encoderReparameterizationType() {
    return PromptEncoderReparameterizationType.valueOf(fields().text(TYPE).orElseThrow());
  }

  /** Inner size of the network; the token's size if absent. */
  public OptionalInt encoderHiddenSize() {
    return number(PromptFields.ENCODER_SIZE);
  }

  /** Number of layers of the LSTM; the MLP has always three. */
  public int encoderNumLayers() {
    return fields().integer("encoder_num_layers");
  }

  /** Probability with which elements between the LSTM's layers are dropped in training. */
  public double encoderDropout() {
    return fields().number("encoder_dropout");
  }
}
