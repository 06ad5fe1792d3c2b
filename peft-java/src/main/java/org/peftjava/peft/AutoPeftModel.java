package org.peftjava.peft;

import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.peftjava.peft.io.AdapterConfigJson;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.TunerConfig;

/**
 * Loads an adapter of whatever task, together with the base model that its config names. The task
 * is the config's, or that of the base model's class ({@code auto_mapping}).
 */
public final class AutoPeftModel {
  private AutoPeftModel() {}

  /** Loads base model and adapter; closing the result closes both. */
  public static PeftModel fromPretrained(String nameOrPath) {
    return fromPretrained(nameOrPath, options -> {});
  }

  /** The same with options. */
  public static PeftModel fromPretrained(
      String nameOrPath, Consumer<LoadAdapterOptions.Builder> options) {
    LoadAdapterOptions load = LoadAdapterOptions.of(options);
    return load(load.folderWithTokenizer(nameOrPath), load);
  }

  /** The same for a folder. */
  public static PeftModel fromPretrained(
      Path folder, Consumer<LoadAdapterOptions.Builder> options) {
    LoadAdapterOptions load = LoadAdapterOptions.of(options);
    return load(load.folder(folder), load);
  }

  private static PeftModel load(Path folder, LoadAdapterOptions options) {
    TunerConfig config = options.config().orElseGet(() -> AdapterConfigJson.read(folder));
    TaskType task =
        config
            .taskType()
            .or(() -> ofClass(config))
            .orElseThrow(
                () ->
                    new IllegalArgumentException(
                        "Cannot infer the class of the base model from the config of the adapter in"
                            + " "
                            + folder
                            + ": it has neither task_type nor auto_mapping. Use the AutoPeftModel"
                            + " class of a task."));
    return switch (task) {
      case CAUSAL_LM -> AutoPeftModelForCausalLM.load(folder, options);
      case SEQ_2_SEQ_LM -> AutoPeftModelForSeq2SeqLM.load(folder, options);
      case SEQ_CLS -> AutoPeftModelForSequenceClassification.load(folder, options);
      case TOKEN_CLS -> AutoPeftModelForTokenClassification.load(folder, options);
      case QUESTION_ANS -> AutoPeftModelForQuestionAnswering.load(folder, options);
      case FEATURE_EXTRACTION -> AutoPeftModelForFeatureExtraction.load(folder, options);
    };
  }

  private static Optional<TaskType> ofClass(TunerConfig config) {
    return config
        .autoMapping()
        .map(mapping -> mapping.get("base_model_class"))
        .map(Object::toString)
        .flatMap(
            name ->
                Map.of(
                        "ForCausalLM", TaskType.CAUSAL_LM,
                        "LMHeadModel", TaskType.CAUSAL_LM,
                        "ForConditionalGeneration", TaskType.SEQ_2_SEQ_LM,
                        "ForSequenceClassification", TaskType.SEQ_CLS,
                        "ForTokenClassification", TaskType.TOKEN_CLS,
                        "ForQuestionAnswering", TaskType.QUESTION_ANS,
                        "Model", TaskType.FEATURE_EXTRACTION)
                    .entrySet()
                    .stream()
                    .filter(entry -> name.endsWith(entry.getKey()))
                    .filter(entry -> !entry.getKey().equals("Model") || !name.endsWith("HeadModel"))
                    .map(Map.Entry::getValue)
                    .findFirst());
  }
}
