package org.peftjava.transformers;

import java.util.Optional;
import org.peftjava.transformers.generation.DecoderModel;
import org.peftjava.transformers.generation.GenerationMixin;
import org.peftjava.transformers.model.KvCache;

/** A model that predicts the next token: plain, or with adapters. */
public interface CausalLanguageModel extends PretrainedModel, GenerationMixin {
  @Override
  default DecoderModel decoderModel() {
    return new Decoding(this);
  }

  @Override
  default boolean shiftsLabels() {
    return true;
  }

  /** How one token after the other may be computed without {@link #forward}; empty if not so. */
  default Optional<RepeatedPasses> repeatedPasses() {
    return Optional.empty();
  }

  /** An empty cache with room for this many tokens to begin with. Close it. */
  KvCache newCache(long capacity);
}
