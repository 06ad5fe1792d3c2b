package org.peftjava.peft.tuner.multitaskprompttuning;

import java.nio.file.Path;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.PromptEncoder;
import org.peftjava.peft.tuner.PromptFields;
import org.peftjava.peft.tuner.PromptLearningMethod;
import org.peftjava.peft.tuner.PromptSite;
import org.peftjava.peft.tuner.PromptStart;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Init;

/**
 * Multitask prompt tuning, arXiv:2303.02861: tasks share virtual tokens, and each multiplies them
 * by a matrix of low rank.
 */
public final class MultitaskPromptTuningMethod
    extends PromptLearningMethod<MultitaskPromptTuningConfig> {
  /** The method. */
  public MultitaskPromptTuningMethod() {
    super(
        MultitaskPromptTuningConfig.PEFT_TYPE,
        "MultitaskPromptEmbedding",
        MultitaskPromptTuningConfig.class,
        Place.EMBEDDINGS);
  }

  @Override
  public MultitaskPromptTuningConfig parse(Map<String, ? extends @Nullable Object> values) {
    return MultitaskPromptTuningConfig.of(values);
  }

  @Override
  public PromptEncoder newEncoder(MultitaskPromptTuningConfig config, PromptSite site) {
    MultitaskPrompt prompt =
        new MultitaskPrompt(
            config.numTasks(),
            config.totalVirtualTokens(),
            config.required(PromptFields.TOKEN_DIM),
            config.numRanks());
    if (!config.inferenceMode()) {
      switch (config.promptTuningInit()) {
        case TEXT -> prompt.startShared(PromptStart.ofText(config, site));
        case RANDOM -> {} // as it starts anyway
        case ONLY_SOURCE_SHARED -> prompt.startShared(shared(config, site));
        case AVERAGE_SOURCE_TASKS ->
            fromSource(prompt, config, site, MultitaskPromptTuningMethod::mean);
        case EXACT_SOURCE_TASK ->
            fromSource(prompt, config, site, x -> task(x, config.promptTuningInitTask()));
      }
    }
    return prompt;
  }

  private static void fromSource(
      MultitaskPrompt prompt,
      MultitaskPromptTuningConfig config,
      PromptSite site,
      UnaryOperator<Tensor> choice) {
    if (config.numTasks() != 1) {
      throw config
          .fields()
          .invalid("num_tasks", "must be 1 when one task starts as others have ended");
    }
    UnaryOperator<Tensor> one = all -> choice.apply(all).unsqueeze(0);
    prompt.startShared(shared(config, site));
    prompt.startTasks(
        source(config, site, MultitaskPrompt.COLS, one),
        source(config, site, MultitaskPrompt.ROWS, one));
  }

  private static Tensor mean(Tensor all) {
    Tensor sum = all.select(0, 0);
    for (int task = 1; task < all.size(0); task++) {
      sum = sum.add(all.select(0, task));
    }
    return sum.div((double) all.size(0));
  }

  private static Tensor task(Tensor all, int task) {
    if (task >= all.size(0)) {
      throw new IllegalArgumentException(
          "promptTuningInitTask is "
              + task
              + ", but the file of promptTuningInitStateDictPath has "
              + all.size(0)
              + " tasks, counted from 0.");
    }
    return all.select(0, task);
  }

  private static Init shared(MultitaskPromptTuningConfig config, PromptSite site) {
    return source(config, site, PromptEncoder.KEY, values -> values);
  }

  /** A tensor of the source file, changed. */
  private static Init source(
      MultitaskPromptTuningConfig config,
      PromptSite site,
      String name,
      UnaryOperator<Tensor> change) {
    Path file = Path.of(config.promptTuningInitStateDictPath().orElseThrow());
    return target -> {
      try (TensorScope scope = TensorScope.open("source prompt")) {
        Tensor found = site.weights(file).get(name);
        Tensor values = found == null ? null : change.apply(found);
        if (values == null || !values.shape().equals(target.shape())) {
          throw new IllegalArgumentException(
              file
                  + (values == null ? " has no " + name : " has " + name + " " + values.shape())
                  + ". Expected "
                  + target.shape()
                  + ", as numVirtualTokens, numRanks and the model's size make it. Is it the"
                  + " adapter_model.safetensors of a multitask prompt?");
        }
        target.copyInPlace(values);
      }
    };
  }
}
