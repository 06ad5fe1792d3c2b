package org.peftjava.transformers;

import java.nio.file.Path;
import java.util.function.Consumer;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Module;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.generation.GenerationConfig;
import org.peftjava.transformers.generation.Generator;
import org.peftjava.transformers.generation.TokenListener;
import org.peftjava.transformers.model.Architecture;
import org.peftjava.transformers.model.KvCache;
import org.peftjava.transformers.tokenizer.TokenBatch;
import org.peftjava.transformers.tokenizer.TokenIds;

/**
 * A model that predicts the next token: plain, or with adapters. Owns native memory: close it.
 *
 * <p>One thread at a time. Whether gradients are recorded is the caller's choice ({@code
 * GradMode}); {@link #generate} never records them.
 */
public interface CausalLanguageModel extends AutoCloseable {
  /** Computes logits, and a loss if there are labels. The result belongs to the current scope. */
  ModelOutput forward(ModelInput input);

  /** The same for a batch of host arrays. */
  default ModelOutput forward(TokenBatch batch) {
    return forward(ModelInput.of(batch, device()));
  }

  /**
   * Continues each row of a batch. Rows of different length must be padded on the left.
   *
   * @param settings changes to {@link #generationConfig()} for this call
   * @return the prompts with their continuations, filled up with the padding token
   */
  default TokenIds generate(TokenBatch batch, Consumer<GenerationConfig.Builder> settings) {
    return generate(batch, settings, TokenListener.NONE);
  }

  /** The same, telling a listener of every new token; it can stop the generation. */
  default TokenIds generate(
      TokenBatch batch, Consumer<GenerationConfig.Builder> settings, TokenListener listener) {
    GenerationConfig.Builder builder = generationConfig().toBuilder();
    settings.accept(builder);
    Generator generator = new Generator(new Decoding(this), builder.build(), listener);
    try (TensorScope scope = TensorScope.open("generate")) {
      return new TokenIds(generator.generate(batch.inputIds(), batch.attentionMask()));
    }
  }

  /** The model's configuration. */
  PretrainedConfig config();

  /** The defaults of {@link #generate}. */
  GenerationConfig generationConfig();

  /** The kind of model, which knows the names of its layers. */
  Architecture architecture();

  /** The module tree, for parameters, adapters and training mode. */
  Module module();

  /** Where the model's inputs belong. */
  Device device();

  /** The type of the model's hidden states. */
  DType dtype();

  /** An empty cache with room for this many tokens to begin with. Close it. */
  KvCache newCache(long capacity);

  /** Recomputes each layer in the backward pass instead of keeping its intermediates. */
  void gradientCheckpointing(boolean on);

  /** Writes the model to a folder that Python and this library load. */
  void savePretrained(Path folder);

  /** Copies the weights in a folder that {@link #savePretrained} wrote into this model. */
  void loadWeights(Path folder);

  @Override
  void close();
}
