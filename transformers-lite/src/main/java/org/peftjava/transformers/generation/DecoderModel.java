package org.peftjava.transformers.generation;

import org.peftjava.torch.Device;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * What the generation loop needs of a model: to begin with a batch, and a few numbers.
 *
 * <p>The same for decoders and encoder-decoders. A decoder continues the batch itself; an
 * encoder-decoder encodes it once, when it begins, and its decoder starts from a token of its own.
 */
public interface DecoderModel {
  /**
   * Begins to generate. An encoder runs here, once.
   *
   * @param prompts the texts to continue, or the encoder's input
   * @param capacity for how many tokens of the decoder the cache makes room at once
   * @param useCache whether keys and values are kept
   * @return what the loop asks for logits; close it
   */
  DecoderSession begin(TokenBatch prompts, long capacity, boolean useCache);

  /** Whether the batch is an encoder's input, so that the decoder begins with a start token. */
  default boolean isEncoderDecoder() {
    return false;
  }

  /** The longest sequence of the decoder; {@link Integer#MAX_VALUE} for any. */
  int maxPositions();

  /** Number of tokens in the vocabulary. */
  int vocabSize();

  /** Where the ids belong. */
  Device device();
}
