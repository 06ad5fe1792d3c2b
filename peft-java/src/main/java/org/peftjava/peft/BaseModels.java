package org.peftjava.peft;

import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import org.peftjava.peft.prompt.ModelPromptSite;
import org.peftjava.peft.tuner.BaseModel;
import org.peftjava.peft.tuner.LayerStack;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModulePath;
import org.peftjava.transformers.FeatureExtraction;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.TaskModel;
import org.peftjava.transformers.model.Architecture;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.Task;

/** What adapters need to know about models of this library. */
final class BaseModels {
  private BaseModels() {}

  /** The facts about a model with a head. */
  static BaseModel of(TaskModel model) {
    BaseModel result =
        of(
            model,
            model.architecture(),
            model.task(),
            model.backbone(),
            model::replicateLayers,
            model::hasResizedEmbeddings);
    return result.beside(
        ShadowModels.of(model, model.architecture(), model.backbone(), model::config));
  }

  /** The facts about a model that writes text from text. */
  static BaseModel of(Seq2SeqLM model) {
    return of(
        model,
        model.architecture(),
        model.task(),
        model.backbone(),
        model::replicateLayers,
        model::hasResizedEmbeddings);
  }

  /** The facts about any model of this library. */
  static BaseModel of(PretrainedModel model) {
    if (model instanceof TaskModel task) {
      return of(task);
    }
    if (model instanceof Seq2SeqLM pair) {
      return of(pair);
    }
    if (model instanceof FeatureExtraction bare) {
      BaseModel result =
          of(
              bare.module(),
              bare.architecture(),
              bare.task(),
              bare.backbone(),
              bare::replicateLayers,
              bare::hasResizedEmbeddings);
      return result.beside(
          ShadowModels.of(bare.module(), bare.architecture(), bare.backbone(), bare::config));
    }
    throw new IllegalArgumentException(
        model.getClass().getSimpleName()
            + " has adapters already, or is no model of this library.");
  }

  private static BaseModel of(
      Module model,
      Architecture architecture,
      Task task,
      Backbone backbone,
      LayerStack layers,
      BooleanSupplier resizedEmbeddings) {
    String head = architecture.roles().outputEmbedding();
    Module table = (Module) backbone.inputEmbeddings();
    Optional<String> tablePath =
        model.namedModules().entrySet().stream()
            .filter(entry -> entry.getValue() == table)
            .map(Map.Entry::getKey)
            .findFirst();
    return new BaseModel(
        model,
        architecture.className(task),
        architecture.parentLibrary(),
        Optional.of(architecture.modelType()),
        tablePath,
        ModulePath.find(model, head).map(found -> head),
        Optional.of(new ModelPromptSite(backbone::inputEmbeddings)),
        Optional.of(layers),
        Optional.empty(),
        resizedEmbeddings);
  }

  /** Throws if the config is for another task than the model's. */
  static void checkTask(TunerConfig config, TaskModel model) {
    Optional<TaskType> expected = taskType(model);
    config
        .taskType()
        .filter(task -> !expected.equals(Optional.of(task)))
        .ifPresent(
            task -> {
              throw new IllegalArgumentException(
                  "The adapter's taskType is "
                      + task
                      + ", but the model is for "
                      + model.task()
                      + ". Expected "
                      + expected.map(type -> type + ", or no task.").orElse("no task."));
            });
  }

  private static Optional<TaskType> taskType(TaskModel model) {
    return switch (model.task()) {
      case SEQUENCE_CLASSIFICATION -> Optional.of(TaskType.SEQ_CLS);
      case TOKEN_CLASSIFICATION -> Optional.of(TaskType.TOKEN_CLS);
      case QUESTION_ANSWERING -> Optional.of(TaskType.QUESTION_ANS);
      case CAUSAL_LM -> Optional.of(TaskType.CAUSAL_LM);
      case SEQ_2_SEQ_LM -> Optional.of(TaskType.SEQ_2_SEQ_LM);
      case FEATURE_EXTRACTION -> Optional.of(TaskType.FEATURE_EXTRACTION);
      case MASKED_LM -> Optional.empty();
    };
  }
}
