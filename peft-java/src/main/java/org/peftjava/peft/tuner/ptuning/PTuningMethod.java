package org.peftjava.peft.tuner.ptuning;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.PromptEncoder;
import org.peftjava.peft.tuner.PromptFields;
import org.peftjava.peft.tuner.PromptLearningMethod;
import org.peftjava.peft.tuner.PromptSite;
import org.peftjava.peft.tuner.PromptTable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * P-tuning, arXiv:2103.10385: a network computes the virtual tokens and is thrown away after
 * training.
 */
public final class PTuningMethod extends PromptLearningMethod<PromptEncoderConfig> {
  private static final Logger LOG = LoggerFactory.getLogger(PTuningMethod.class);

  /** The method. */
  public PTuningMethod() {
    super(
        PromptEncoderConfig.PEFT_TYPE,
        "PromptEncoder",
        PromptEncoderConfig.class,
        Place.EMBEDDINGS);
  }

  @Override
  public PromptEncoderConfig parse(Map<String, ? extends @Nullable Object> values) {
    return PromptEncoderConfig.of(values);
  }

  @Override
  public PromptEncoder newEncoder(PromptEncoderConfig config, PromptSite site) {
    int tokens = config.totalVirtualTokens();
    int size = config.required(PromptFields.TOKEN_DIM);
    if (config.inferenceMode()) {
      return new PromptTable(tokens, size);
    }
    int inner = config.encoderHiddenSize().orElse(size);
    if (config.encoderReparameterizationType() == PromptEncoderReparameterizationType.LSTM) {
      Lstm lstm = new Lstm(size, inner, config.encoderNumLayers(), config.encoderDropout());
      return new ReparameterizedPrompt(tokens, size, lstm, List.of(2 * inner, 2 * inner, size));
    }
    if (config.encoderNumLayers() != PromptEncoderConfig.DEFAULT_LAYERS) {
      LOG.warn(
          "encoderNumLayers {} has no effect: an MLP has always three layers.",
          config.encoderNumLayers());
    }
    return new ReparameterizedPrompt(tokens, size, null, List.of(size, inner, inner, size));
  }
}
