package org.peftjava.peft.tuner.ptuning;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.PromptConfigBuilder;
import org.peftjava.peft.tuner.PromptFields;

/** Collects the fields of a {@link PromptEncoderConfig}. */
public final class PromptEncoderConfigBuilder
    extends PromptConfigBuilder<PromptEncoderConfigBuilder> {
  PromptEncoderConfigBuilder(Map<String, ? extends @Nullable Object> values) {
    super(values);
  }

  @Override
  protected PromptEncoderConfigBuilder self() {
    return this;
  }

  /** The kind of network; MLP. */
  public PromptEncoderConfigBuilder encoderReparameterizationType(
      PromptEncoderReparameterizationType value) {
    return set("encoder_reparameterization_type", value.name());
  }

  /** Inner size of the network; the token's size. */
  public PromptEncoderConfigBuilder encoderHiddenSize(int value) {
    return set(PromptFields.ENCODER_SIZE, value);
  }

  /** Number of layers of the LSTM; 2. The MLP has always three. */
  public PromptEncoderConfigBuilder encoderNumLayers(int value) {
    return set("encoder_num_layers", value);
  }

  /** Probability of dropping between the LSTM's layers in training; 0. */
  public PromptEncoderConfigBuilder encoderDropout(double value) {
    return set("encoder_dropout", value);
  }

  /** The config, checked. */
  public PromptEncoderConfig build() {
    return PromptEncoderConfig.of(values());
  }
}
