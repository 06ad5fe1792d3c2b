package org.peftjava.peft.tuner.multitaskprompttuning;

import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.TextPromptConfig;

/**
 * The configuration of multitask prompt tuning, immutable: virtual tokens that all tasks share, and
 * the rank of the matrix by which each task changes them.
 *
 * <p>Paper: arXiv:2303.02861. Reference: PEFT {@code tuners/multitask_prompt_tuning/config.py}.
 */
public final class MultitaskPromptTuningConfig extends TextPromptConfig {
  static final String PEFT_TYPE = "MULTITASK_PROMPT_TUNING";

  private static final String SOURCE = "prompt_tuning_init_state_dict_path";

  private static final ConfigSchema SCHEMA =
      schema(
              "MultitaskPromptTuningConfig",
              PEFT_TYPE,
              TEXT,
              "RANDOM",
              "AVERAGE_SOURCE_TASKS",
              "EXACT_SOURCE_TASK",
              "ONLY_SOURCE_SHARED")
          .optionalText(SOURCE)
          .integer("prompt_tuning_init_task", 0, 0)
          .integer("num_ranks", 1, 1)
          .integer("num_tasks", 1, 1)
          .rule(
              fields -> {
                String init = fields.text(INIT).orElse("");
                if (init.contains("SOURCE") && fields.text(SOURCE).isEmpty()) {
                  throw fields.invalid(SOURCE, "must be set when promptTuningInit is " + init);
                }
              })
          .build();

  private MultitaskPromptTuningConfig(ConfigFields fields) {
    super(fields);
  }

  /** A builder with Python's defaults. */
  public static MultitaskPromptTuningConfigBuilder builder() {
    return new MultitaskPromptTuningConfigBuilder(Map.of());
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static MultitaskPromptTuningConfig of(Map<String, ? extends @Nullable Object> values) {
    return new MultitaskPromptTuningConfig(SCHEMA.read(values));
  }

  /** A builder that starts from this config. */
  public MultitaskPromptTuningConfigBuilder toBuilder() {
    return new MultitaskPromptTuningConfigBuilder(fields().values());
  }

  @Override
  public MultitaskPromptTuningConfig with(String field, @Nullable Object value) {
    return new MultitaskPromptTuningConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** What virtual tokens and tasks start as. */
  public MultitaskPromptTuningInit promptTuningInit() {
    return MultitaskPromptTuningInit.valueOf(fields().text(INIT).orElseThrow());
  }

  /** The file of weights that were learned of several tasks. */
  public Optional<String> promptTuningInitStateDictPath() {
    return fields().text(SOURCE);
  }

  /** The task of that file that every task starts as. */
  public int promptTuningInitTask() {
    return fields().integer("prompt_tuning_init_task");
  }

  /** Rank of each task's matrix. */
  public int numRanks() {
    return fields().integer("num_ranks");
  }

  /** Number of tasks. */
  public int numTasks() {
    return fields().integer("num_tasks");
  }
}
