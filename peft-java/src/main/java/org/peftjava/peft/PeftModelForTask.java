package org.peftjava.peft;

import java.util.Optional;
import org.peftjava.peft.io.ModelCard;
import org.peftjava.peft.prompt.PromptShape;
import org.peftjava.peft.prompt.TaskPrompt;
import org.peftjava.peft.tuner.ActingPrompt;
import org.peftjava.peft.tuner.AdapterSet;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.TaskModel;

/**
 * A model with a head, such as a text classifier, with adapters: computes and trains as the base
 * does. Saving writes the adapters, and with them a head that is trained in full.
 */
public final class PeftModelForTask extends PeftModel implements OverModel<TaskModel> {
  private final TaskModel base;

  PeftModelForTask(TaskModel base, boolean ownsBase) {
    super(BaseModels.of(base), ownsBase);
    this.base = base;
  }

  /** The model below the adapters. */
  @Override
  public TaskModel base() {
    return base;
  }

  @Override
  public ModelOutput forward(ModelInput given) {
    try (AdapterSet.Running pass = tuned().adapters().run()) {
      ModelInput input = given.to(device());
      Optional<ActingPrompt> prompt = tuned().prompts().acting();
      ModelOutput output =
          prompt.isPresent()
              ? TaskPrompt.forward(prompt.get(), base, input)
              : ShadowPasses.forward(
                  tuned(),
                  base,
                  input,
                  in ->
                      XLoraPasses.forward(
                          tuned(), in, told -> Tasks.forward(tuned(), told, base::forward)));
      return AdapterSteps.withPenalty(tuned(), input, shiftsLabels(), output);
    }
  }

  @Override
  public long labelCount() {
    return base.labelCount();
  }

  @Override
  public boolean learnsSpans() {
    return base.learnsSpans();
  }

  @Override
  public boolean shiftsLabels() {
    return base.shiftsLabels();
  }

  /** This model: its parameters have Python's names. */
  @Override
  public PeftModelForTask module() {
    return this;
  }

  @Override
  Optional<PromptShape> promptShape() {
    return Optional.of(new PromptShape(base.config().json(), 1));
  }

  @Override
  boolean hasTokenStates() {
    return true;
  }

  @Override
  ModelCard modelCard(String peftType) {
    return ModelCard.of(base.config(), peftType, false);
  }
}
