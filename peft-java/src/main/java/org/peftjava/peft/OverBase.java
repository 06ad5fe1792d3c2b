package org.peftjava.peft;

import java.util.Optional;
import java.util.function.Consumer;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.ModelOutput;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.ResizeOptions;
import org.peftjava.transformers.TrainingHook;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.Architecture;

/** A model with adapters answers as the one below them, where adapters make no difference. */
interface OverBase extends PretrainedModel {
  /** The model below the adapters. */
  PretrainedModel base();

  /** This model: its parameters have Python's names. */
  @Override
  PeftModel module();

  /** A forward pass whose rows have adapters or tasks of their own. */
  default ModelOutput forward(ModelInput input, PassOptions options) {
    return options.forward(module().tuned(), input, this::forward);
  }

  @Override
  default Optional<TrainingHook> trainingHook() {
    return Optional.of(AdapterSteps.of(module().tuned()));
  }

  @Override
  default PretrainedConfig config() {
    return base().config();
  }

  @Override
  default EmbeddingLayer resizeTokenEmbeddings(
      int newNumTokens, Consumer<ResizeOptions.Builder> options) {
    return base().resizeTokenEmbeddings(newNumTokens, options);
  }

  @Override
  default EmbeddingLayer getInputEmbeddings() {
    return base().getInputEmbeddings();
  }

  @Override
  default Optional<LinearLayer> getOutputEmbeddings() {
    return base().getOutputEmbeddings();
  }

  @Override
  default boolean hasResizedEmbeddings() {
    return base().hasResizedEmbeddings();
  }

  @Override
  default Architecture architecture() {
    return base().architecture();
  }

  @Override
  default Device device() {
    return base().device();
  }

  @Override
  default DType dtype() {
    return base().dtype();
  }

  @Override
  default void gradientCheckpointing(boolean on) {
    base().gradientCheckpointing(on);
  }
}
