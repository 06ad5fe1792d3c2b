package org.peftjava.transformers;

import org.peftjava.transformers.generation.DecoderModel;
import org.peftjava.transformers.generation.GenerationMixin;
import org.peftjava.transformers.model.KvCache;

/** A model that predicts the next token: plain, or with adapters. */
public interface CausalLanguageModel extends PretrainedModel, GenerationMixin {
  @Override
  default DecoderModel decoderModel() {
    return new Decoding(this);
  }

  /** An empty cache with room for this many tokens to begin with. Close it. */
  KvCache newCache(long capacity);
}
