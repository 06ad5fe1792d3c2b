package org.peftjava.transformers;

import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Consumer;
import org.peftjava.quant.bnb.Linear4bit;
import org.peftjava.quant.bnb.Linear8bitLt;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModulePath;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.hub.PushToHubMixin;
import org.peftjava.transformers.model.Architecture;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * A model of any architecture for any task: plain, or with adapters. Owns native memory: close it.
 *
 * <p>Any number of threads may compute and generate with one model in evaluation mode, each in
 * scopes of its own; training, saving, loading and conversions are for one thread that has the
 * model alone. Closing waits for the passes of other threads; their next pass throws. Whether
 * gradients are recorded is the caller's choice ({@code GradMode}).
 */
public interface PretrainedModel extends PushToHubMixin, AutoCloseable {
  /**
   * Computes what the model is for, and a loss if there are labels. Inputs that are elsewhere are
   * brought to {@link #device}. The result belongs to the current scope.
   */
  ModelOutput forward(ModelInput input);

  /** The same for a batch of host arrays. */
  default ModelOutput forward(TokenBatch batch) {
    return forward(ModelInput.of(batch, device()));
  }

  /** The model's configuration. */
  PretrainedConfig config();

  /** The kind of model, which knows the names of its layers. */
  Architecture architecture();

  /** Number of different labels that the model learns: for most, tokens of the vocabulary. */
  default long labelCount() {
    return config().vocabSize();
  }

  /** Whether a label is compared with the prediction of the position before it. */
  default boolean shiftsLabels() {
    return false;
  }

  /** Whether the model learns where in a text an answer stands. */
  default boolean learnsSpans() {
    return false;
  }

  /** The module tree, for parameters, adapters and training mode. */
  Module module();

  /** Where the model's inputs belong. */
  Device device();

  /** The type of the model's hidden states. */
  DType dtype();

  /** Recomputes each layer in the backward pass instead of keeping its intermediates. */
  void gradientCheckpointing(boolean on);

  /** Switches {@link #gradientCheckpointing} on. */
  default void gradientCheckpointingEnable() {
    gradientCheckpointing(true);
  }

  /** Switches {@link #gradientCheckpointing} off. */
  default void gradientCheckpointingDisable() {
    gradientCheckpointing(false);
  }

  /**
   * How many numbers the model's parameters are, shared ones once; of 4-bit weights, all of them.
   */
  default long numParameters() {
    return module().namedParameters().values().stream().mapToLong(Parameter::represented).sum();
  }

  /** How many bytes the model's parameters and buffers take, shared ones once. */
  default long getMemoryFootprint() {
    return module().namedState().values().stream()
        .distinct()
        .mapToLong(parameter -> parameter.numel() * parameter.dtype().byteSize())
        .sum();
  }

  /** The layer that turns tokens into vectors. */
  default EmbeddingLayer getInputEmbeddings() {
    throw new UnsupportedOperationException(
        getClass().getSimpleName() + " has no token embedding that it could give.");
  }

  /** The layer that turns vectors into scores of tokens, if the model has one. */
  default Optional<LinearLayer> getOutputEmbeddings() {
    return ModulePath.find(module(), architecture().roles().outputEmbedding())
        .map(LinearLayer.class::cast);
  }

  /** What this model does around the steps of training, if anything. */
  default Optional<TrainingHook> trainingHook() {
    return Optional.empty();
  }

  /** Whether linear layers of this model are 4-bit ones of bitsandbytes. */
  default boolean isLoadedIn4bit() {
    return ModelQuantization.layers(module()).values().stream()
        .anyMatch(Linear4bit.class::isInstance);
  }

  /** Whether linear layers of this model are 8-bit ones of bitsandbytes. */
  default boolean isLoadedIn8bit() {
    return ModelQuantization.layers(module()).values().stream()
        .anyMatch(Linear8bitLt.class::isInstance);
  }

  /** Makes quantized layers dense, in the type of the hidden states; see the other overload. */
  default void dequantize() {
    dequantize(dtype());
  }

  /**
   * Makes quantized layers dense, one after the other, with the values that they stand for: what
   * quantizing lost does not come back. Adapters stay, so that they can be merged into dense
   * weights.
   *
   * @param dtype of the dense weights
   */
  default void dequantize(DType dtype) {
    ModelQuantization.dequantize(module(), dtype);
  }

  /** Changes the number of tokens with the defaults; see the other overload. */
  default EmbeddingLayer resizeTokenEmbeddings(int newNumTokens) {
    return resizeTokenEmbeddings(newNumTokens, options -> {});
  }

  /**
   * Changes how many tokens the model knows: rows of the token embedding and of the head over
   * tokens, which stay one where they are tied, and {@code vocab_size} of the config. Rows are
   * dropped or added at the end; a new one is the mean of the old ones with a very small random
   * part, so that the model hardly prefers a new token. Do this before adapters are added to these
   * layers, and before an optimizer is made. Nothing changes if it throws.
   *
   * <p>Reference: {@code PreTrainedModel.resize_token_embeddings}.
   *
   * @param newNumTokens rows that are needed, such as {@code tokenizer.length()}
   * @return the token embedding
   */
  default EmbeddingLayer resizeTokenEmbeddings(
      int newNumTokens, Consumer<ResizeOptions.Builder> options) {
    throw new UnsupportedOperationException(
        getClass().getSimpleName() + " has no token embedding that can be resized.");
  }

  /** Whether the number of tokens was changed since the model was made or loaded. */
  default boolean hasResizedEmbeddings() {
    return false;
  }

  /** Writes the model to a folder that Python and this library load. */
  void savePretrained(Path folder);

  /** Copies the weights in a folder that {@link #savePretrained} wrote into this model. */
  void loadWeights(Path folder);

  @Override
  void close();
}
