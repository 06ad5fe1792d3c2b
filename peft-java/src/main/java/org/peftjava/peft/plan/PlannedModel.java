package org.peftjava.peft.plan;

import java.util.Optional;
import java.util.Set;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModel;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.torch.DType;
import org.peftjava.transformers.AutoModel;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoModelForQuestionAnswering;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.AutoModelForSequenceClassification;
import org.peftjava.transformers.AutoModelForTokenClassification;
import org.peftjava.transformers.FeatureExtraction;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.TaskModel;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.Architectures;
import org.peftjava.transformers.model.Task;

/** The model that a plan is made for: names and shapes without memory. */
final class PlannedModel {
  private PlannedModel() {}

  /** What a model of this architecture is trained for, unless somebody says otherwise. */
  static TaskType defaultTask(PretrainedConfig config) {
    Set<Task> tasks = Architectures.get(config.modelType()).tasks();
    boolean encoder = tasks.contains(Task.MASKED_LM);
    if (tasks.contains(Task.CAUSAL_LM)
        && (!encoder || config.json().getBoolean("is_decoder", false))) {
      return TaskType.CAUSAL_LM;
    }
    return tasks.contains(Task.SEQ_2_SEQ_LM) ? TaskType.SEQ_2_SEQ_LM : TaskType.SEQ_CLS;
  }

  /** The model for what the adapter is for. */
  static PretrainedModel withoutWeights(
      PretrainedConfig config, Optional<TaskType> task, DType type) {
    return switch (task.orElseGet(() -> defaultTask(config))) {
      case CAUSAL_LM -> AutoModelForCausalLM.withoutWeights(config, type);
      case SEQ_2_SEQ_LM -> AutoModelForSeq2SeqLM.withoutWeights(config, type);
      case SEQ_CLS -> AutoModelForSequenceClassification.withoutWeights(config, type);
      case TOKEN_CLS -> AutoModelForTokenClassification.withoutWeights(config, type);
      case QUESTION_ANS -> AutoModelForQuestionAnswering.withoutWeights(config, type);
      case FEATURE_EXTRACTION -> AutoModel.withoutWeights(config, type);
    };
  }

  /** The model with its adapter. */
  static PeftModel adapted(PretrainedModel base, StepOptions options) {
    if (base instanceof Seq2SeqLM pair) {
      return Peft.getPeftModel(
          pair,
          options.adapter(),
          o -> o.lowCpuMemUsage(true).autocastAdapterDtype(options.autocastAdapterDtype()));
    }
    if (base instanceof FeatureExtraction bare) {
      return Peft.getPeftModel(
          bare,
          options.adapter(),
          o -> o.lowCpuMemUsage(true).autocastAdapterDtype(options.autocastAdapterDtype()));
    }
    return Peft.getPeftModel(
        (TaskModel) base,
        options.adapter(),
        o -> o.lowCpuMemUsage(true).autocastAdapterDtype(options.autocastAdapterDtype()));
  }
}
