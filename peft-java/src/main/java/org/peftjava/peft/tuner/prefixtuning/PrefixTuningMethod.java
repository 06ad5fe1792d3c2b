package org.peftjava.peft.tuner.prefixtuning;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.PromptEncoder;
import org.peftjava.peft.tuner.PromptFields;
import org.peftjava.peft.tuner.PromptLearningMethod;
import org.peftjava.peft.tuner.PromptSite;
import org.peftjava.peft.tuner.PromptTable;
import org.peftjava.torch.nn.Init;

/**
 * Prefix tuning, arXiv:2101.00190: keys and values in front of those of the text, in every layer.
 */
public final class PrefixTuningMethod extends PromptLearningMethod<PrefixTuningConfig> {
  /** The method. */
  public PrefixTuningMethod() {
    super(
        PrefixTuningConfig.PEFT_TYPE, "PrefixEncoder", PrefixTuningConfig.class, Place.KEY_VALUES);
  }

  @Override
  public PrefixTuningConfig parse(Map<String, ? extends @Nullable Object> values) {
    return PrefixTuningConfig.of(values);
  }

  @Override
  public PromptEncoder newEncoder(PrefixTuningConfig config, PromptSite site) {
    long tokens = config.required(PromptFields.VIRTUAL_TOKENS);
    long size = config.required(PromptFields.TOKEN_DIM);
    long width = 2L * config.required(PromptFields.LAYERS) * size;
    if (config.prefixProjection() && !config.inferenceMode()) {
      long inner = config.encoderHiddenSize().orElse((int) size);
      return new ProjectedPrefix(tokens, size, inner, width, config.startsAsZero());
    }
    PromptTable table = new PromptTable(tokens, width);
    return config.startsAsZero() ? table.startingWith(Init.zeros()) : table;
  }
}
