package org.peftjava.transformers;

import java.util.function.Consumer;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.generation.GenerationConfig;
import org.peftjava.transformers.generation.Generator;
import org.peftjava.transformers.generation.TokenListener;
import org.peftjava.transformers.model.KvCache;
import org.peftjava.transformers.tokenizer.TokenBatch;
import org.peftjava.transformers.tokenizer.TokenIds;

/**
 * A model that predicts the next token: plain, or with adapters. {@link #generate} never records
 * gradients.
 */
public interface CausalLanguageModel extends PretrainedModel {
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

  /** The defaults of {@link #generate}. */
  GenerationConfig generationConfig();

  /** An empty cache with room for this many tokens to begin with. Close it. */
  KvCache newCache(long capacity);
}
