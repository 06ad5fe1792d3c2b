package org.peftjava.peft;

import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Consumer;
import org.peftjava.peft.io.ModelCard;
import org.peftjava.peft.prompt.PromptShape;
import org.peftjava.peft.prompt.TaskPrompt;
import org.peftjava.peft.tuner.ActingPrompt;
import org.peftjava.peft.tuner.AdapterSet;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.transformers.FeatureExtraction;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.ResizeOptions;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.Architecture;

/**
 * A model without head, with adapters: its output is the hidden states ({@code
 * output.lastHiddenState()}), behind virtual tokens in front of the embeddings also theirs.
 *
 * <p>Reference: PEFT {@code peft_model.py::PeftModelForFeatureExtraction}.
 */
public final class PeftModelForFeatureExtraction extends PeftModel implements PretrainedModel {
  private final FeatureExtraction base;

  PeftModelForFeatureExtraction(FeatureExtraction base, boolean ownsBase) {
    super(BaseModels.of((PretrainedModel) base), ownsBase);
    this.base = base;
  }

  @Override
  public ModelOutput forward(ModelInput input) {
    try (AdapterSet.Running pass = tuned().adapters().run()) {
      Optional<ActingPrompt> prompt = tuned().prompts().acting();
      return prompt.isPresent()
          ? TaskPrompt.forward(prompt.get(), base, input)
          : Tasks.forward(tuned(), input, base::forward);
    }
  }

  /** A forward pass whose rows have adapters or tasks of their own. */
  public ModelOutput forward(ModelInput input, PassOptions options) {
    return options.forward(tuned(), input, this::forward);
  }

  /** The model below the adapters, whose {@code module()} is {@link #getBaseModel}. */
  public FeatureExtraction base() {
    return base;
  }

  @Override
  public PretrainedConfig config() {
    return base.config();
  }

  @Override
  public EmbeddingLayer resizeTokenEmbeddings(
      int newNumTokens, Consumer<ResizeOptions.Builder> options) {
    return base.resizeTokenEmbeddings(newNumTokens, options);
  }

  @Override
  public boolean hasResizedEmbeddings() {
    return base.hasResizedEmbeddings();
  }

  @Override
  public Architecture architecture() {
    return base.architecture();
  }

  /** This model: its parameters have Python's names. */
  @Override
  public PeftModelForFeatureExtraction module() {
    return this;
  }

  @Override
  public Device device() {
    return base.device();
  }

  @Override
  public DType dtype() {
    return base.dtype();
  }

  @Override
  public void gradientCheckpointing(boolean on) {
    base.gradientCheckpointing(on);
  }

  /** Writes the adapters. */
  @Override
  public void savePretrained(Path folder) {
    super.savePretrained(folder);
  }

  /** Copies saved weights into the adapters. */
  @Override
  public void loadWeights(Path folder) {
    super.loadWeights(folder);
  }

  @Override
  Optional<String> baseModelName() {
    return base.config().nameOrPath().filter(name -> !name.isEmpty());
  }

  @Override
  Optional<PromptShape> promptShape() {
    return Optional.of(new PromptShape(base.config().json(), 1));
  }

  @Override
  ModelCard modelCard(String peftType) {
    return ModelCard.of(base.config(), peftType, false);
  }

  @Override
  public void close() {
    super.close();
  }
}
