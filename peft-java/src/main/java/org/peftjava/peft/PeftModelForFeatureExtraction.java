package org.peftjava.peft;

import java.util.Optional;
import org.peftjava.peft.io.ModelCard;
import org.peftjava.peft.prompt.PromptShape;
import org.peftjava.peft.prompt.TaskPrompt;
import org.peftjava.peft.tuner.ActingPrompt;
import org.peftjava.peft.tuner.AdapterSet;
import org.peftjava.transformers.FeatureExtraction;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.PretrainedModel;

/**
 * A model without head, with adapters: its output is the hidden states ({@code
 * output.lastHiddenState()}), behind virtual tokens in front of the embeddings also theirs.
 *
 * <p>Reference: PEFT {@code peft_model.py::PeftModelForFeatureExtraction}.
 */
public final class PeftModelForFeatureExtraction extends PeftModel implements OverBase {
  private final FeatureExtraction base;

  PeftModelForFeatureExtraction(FeatureExtraction base, boolean ownsBase) {
    super(BaseModels.of((PretrainedModel) base), ownsBase);
    this.base = base;
  }

  @Override
  public ModelOutput forward(ModelInput given) {
    try (AdapterSet.Running pass = tuned().adapters().run()) {
      ModelInput input = given.to(device());
      Optional<ActingPrompt> prompt = tuned().prompts().acting();
      return prompt.isPresent()
          ? TaskPrompt.forward(prompt.get(), base, input)
          : ShadowPasses.forward(
              tuned(),
              base,
              input,
              in ->
                  XLoraPasses.forward(
                      tuned(), in, told -> Tasks.forward(tuned(), told, base::forward)));
    }
  }

  /** The model below the adapters, whose {@code module()} is {@link #getBaseModel}. */
  @Override
  public FeatureExtraction base() {
    return base;
  }

  /** This model: its parameters have Python's names. */
  @Override
  public PeftModelForFeatureExtraction module() {
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
