package org.peftjava.transformers;

import org.peftjava.transformers.generation.DecoderModel;
import org.peftjava.transformers.generation.GenerationMixin;
import org.peftjava.transformers.model.EncoderDecoderCache;

/**
 * A model that writes text from text, with an encoder and a decoder: plain, or with adapters.
 * {@link #generate} never records gradients.
 */
public interface Seq2SeqLanguageModel extends PretrainedModel, GenerationMixin {
  @Override
  default DecoderModel decoderModel() {
    return new Seq2SeqDecoding(this);
  }

  /**
   * What the encoder makes of a batch: its last hidden states, owned by the current scope. They can
   * be handed to {@link #forward} as {@code encoderOutputs}.
   */
  Seq2SeqOutput encode(ModelInput input);

  /** An empty cache with room for this many decoder tokens to begin with. Close it. */
  EncoderDecoderCache newCache(long capacity);
}
