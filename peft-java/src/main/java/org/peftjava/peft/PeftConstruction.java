package org.peftjava.peft;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.peftjava.peft.prompt.PromptShape;
import org.peftjava.peft.tuner.BaseModel;
import org.peftjava.peft.tuner.LayerWrapper;
import org.peftjava.peft.tuner.PromptLearningConfig;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.TunerMethods;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The steps by which adapters come onto a model, shared by the ways to ask for it. */
final class PeftConstruction {
  private static final Logger LOG = LoggerFactory.getLogger(PeftModel.class);

  private PeftConstruction() {}

  /** Wraps a model that has no adapters yet. */
  static TunedModel tune(BaseModel base) {
    if (base.root().namedModules().values().stream().anyMatch(LayerWrapper.class::isInstance)) {
      throw new IllegalArgumentException(
          base.className()
              + " already has adapters. Add to them with addAdapter on its PeftModel, or close that"
              + " PeftModel first.");
    }
    return new TunedModel(base);
  }

  /** Throws if the config is for another task than the model's. */
  static void checkTask(TunerConfig config, TaskType expected) {
    config
        .taskType()
        .filter(task -> task != expected)
        .ifPresent(
            task -> {
              throw new IllegalArgumentException(
                  "The adapter's taskType is "
                      + task
                      + ", but the model is "
                      + kind(expected)
                      + ". Expected "
                      + expected
                      + ", or no task.");
            });
  }

  private static String kind(TaskType task) {
    return switch (task) {
      case CAUSAL_LM -> "a language model";
      case SEQ_2_SEQ_LM -> "a sequence-to-sequence language model";
      case SEQ_CLS -> "one that classifies texts";
      case TOKEN_CLS -> "one that classifies tokens";
      case QUESTION_ANS -> "one that finds answers";
      case FEATURE_EXTRACTION -> "one without head";
    };
  }

  /** The config with what the model and the task add to it. */
  static TunerConfig completed(
      TunerConfig config, Optional<String> baseModelName, Optional<PromptShape> shape) {
    TunerConfig result = shaped(config, shape);
    Optional<String> named = config.baseModelNameOrPath();
    if (baseModelName.isPresent() && !baseModelName.equals(named)) {
      if (named.isPresent()) {
        LOG.warn(
            "The adapter's config names the base model {}, but the model is {}.",
            named.get(),
            baseModelName.get());
      }
      result = result.with("base_model_name_or_path", baseModelName.get());
    }
    if (!config.fields().values().containsKey("modules_to_save")) {
      return result;
    }
    List<String> heads = config.taskType().map(TaskType::heads).orElse(List.of());
    List<String> saved = new ArrayList<>(config.modulesToSave());
    heads.stream().filter(head -> !saved.contains(head)).forEach(saved::add);
    return saved.size() == config.modulesToSave().size()
        ? result
        : result.with("modules_to_save", saved);
  }

  private static TunerConfig shaped(TunerConfig config, Optional<PromptShape> shape) {
    if (config instanceof PromptLearningConfig prompt && shape.isPresent()) {
      return shape
          .get()
          .complete(prompt, TunerMethods.ofPrompts(config.peftType()).orElseThrow().place());
    }
    return config;
  }

  /** Says which adapters go on acting through biases that they trained in the base. */
  static void warnAboutBiases(Map<String, TunerConfig> configs) {
    configs.forEach(
        (name, config) -> {
          if (!"none".equals(config.fields().values().getOrDefault("bias", "none"))) {
            LOG.warn(
                "Adapter \"{}\" trains biases of the base, which disabling does not undo.", name);
          }
        });
  }

  /** Adds the first adapter to a fresh model, or closes it. */
  static <M extends PeftModel> M create(M model, TunerConfig config, AdapterOptions options) {
    try {
      model.add(config, options);
      return model;
    } catch (RuntimeException e) {
      model.close();
      throw e;
    }
  }
}
