package org.peftjava.peft.tuner.prompttuning;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.PromptEncoder;
import org.peftjava.peft.tuner.PromptFields;
import org.peftjava.peft.tuner.PromptLearningMethod;
import org.peftjava.peft.tuner.PromptSite;
import org.peftjava.peft.tuner.PromptStart;
import org.peftjava.peft.tuner.PromptTable;

/** Prompt tuning, arXiv:2104.08691: the vectors of virtual tokens are trained, nothing else. */
public final class PromptTuningMethod extends PromptLearningMethod<PromptTuningConfig> {
  /** The method. */
  public PromptTuningMethod() {
    super(
        PromptTuningConfig.PEFT_TYPE,
        "PromptEmbedding",
        PromptTuningConfig.class,
        Place.EMBEDDINGS);
  }

  @Override
  public PromptTuningConfig parse(Map<String, ? extends @Nullable Object> values) {
    return PromptTuningConfig.of(values);
  }

  @Override
  public PromptEncoder newEncoder(PromptTuningConfig config, PromptSite site) {
    PromptTable table =
        new PromptTable(config.totalVirtualTokens(), config.required(PromptFields.TOKEN_DIM));
    if (!config.inferenceMode()) {
      switch (config.promptTuningInit()) {
        case TEXT -> table.startingWith(PromptStart.ofText(config, site));
        case SAMPLE_VOCAB -> table.startingWith(PromptStart.sampled(site.words()));
        case RANDOM -> {} // as the table starts anyway
      }
    }
    return table;
  }
}
