package org.peftjava.it;

import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.peftjava.peft.LoadAdapterOptions;
import org.peftjava.peft.Peft;
import org.peftjava.peft.PeftModel;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoModelForQuestionAnswering;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.AutoModelForSequenceClassification;
import org.peftjava.transformers.AutoModelForTokenClassification;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.Seq2SeqLM;
import org.peftjava.transformers.TaskModel;

/** Base models of every task and adapters on them, by the task's name in the adapter's config. */
final class TaskModels {
  private TaskModels() {}

  static PretrainedModel base(String task, Path folder) {
    return switch (task) {
      case "CAUSAL_LM" -> AutoModelForCausalLM.fromPretrained(folder);
      case "SEQ_2_SEQ_LM" -> AutoModelForSeq2SeqLM.fromPretrained(folder);
      case "SEQ_CLS" -> AutoModelForSequenceClassification.fromPretrained(folder);
      case "TOKEN_CLS" -> AutoModelForTokenClassification.fromPretrained(folder);
      case "QUESTION_ANS" -> AutoModelForQuestionAnswering.fromPretrained(folder);
      default -> throw new IllegalArgumentException("no test model for task " + task);
    };
  }

  static PeftModel adapted(PretrainedModel base, TunerConfig config) {
    if (base instanceof CausalLM decoder) {
      return Peft.getPeftModel(decoder, config);
    }
    return base instanceof Seq2SeqLM pair
        ? Peft.getPeftModel(pair, config)
        : Peft.getPeftModel((TaskModel) base, config);
  }

  static PeftModel loaded(PretrainedModel base, Path folder, boolean trainable) {
    Consumer<LoadAdapterOptions.Builder> options = o -> o.isTrainable(trainable);
    if (base instanceof CausalLM decoder) {
      return PeftModel.fromPretrained(decoder, folder, options);
    }
    return base instanceof Seq2SeqLM pair
        ? PeftModel.fromPretrained(pair, folder, options)
        : PeftModel.fromPretrained((TaskModel) base, folder, options);
  }

  /** The logits; begin and end of an answer are put side by side. */
  static Tensor logits(PretrainedModel model, ModelInput input) {
    ModelOutput output = model.forward(input);
    return output
        .startLogits()
        .map(start -> Creation.stack(List.of(start, output.endLogits().orElseThrow()), -1))
        .orElseGet(() -> output.logits().orElseThrow());
  }
}
