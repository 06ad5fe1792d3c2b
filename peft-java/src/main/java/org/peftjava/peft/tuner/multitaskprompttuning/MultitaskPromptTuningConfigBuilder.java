package org.peftjava.peft.tuner.multitaskprompttuning;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.TextPromptConfigBuilder;

/** Collects the fields of a {@link MultitaskPromptTuningConfig}. */
public final class MultitaskPromptTuningConfigBuilder
    extends TextPromptConfigBuilder<MultitaskPromptTuningConfigBuilder> {
  MultitaskPromptTuningConfigBuilder(Map<String, ? extends @Nullable Object> values) {
    super(values);
  }

  @Override
  protected MultitaskPromptTuningConfigBuilder self() {
    return this;
  }

  /** What virtual tokens and tasks start as; RANDOM. */
  public MultitaskPromptTuningConfigBuilder promptTuningInit(MultitaskPromptTuningInit value) {
    return set("prompt_tuning_init", value.name());
  }

  /** The file of weights that were learned of several tasks, for the inits that need one. */
  public MultitaskPromptTuningConfigBuilder promptTuningInitStateDictPath(String value) {
    return set("prompt_tuning_init_state_dict_path", value);
  }

  /** The task of that file to start as; 0. */
  public MultitaskPromptTuningConfigBuilder promptTuningInitTask(int value) {
    return set("prompt_tuning_init_task", value);
  }

  /** Rank of each task's matrix; 1. */
  public MultitaskPromptTuningConfigBuilder numRanks(int value) {
    return set("num_ranks", value);
  }

  /** Number of tasks; 1. */
  public MultitaskPromptTuningConfigBuilder numTasks(int value) {
    return set("num_tasks", value);
  }

  /** The config, checked. */
  public MultitaskPromptTuningConfig build() {
    return MultitaskPromptTuningConfig.of(values());
  }
}
