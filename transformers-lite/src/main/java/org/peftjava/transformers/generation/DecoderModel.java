package org.peftjava.transformers.generation;

import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.transformers.model.KvCache;

/** What the generation loop needs of a model. */
public interface DecoderModel {
  /**
   * Logits of the last position.
   *
   * @param ids (b, t), the tokens that are not in the cache
   * @param attentionMask (b, s) over all tokens, or null if nothing is padded
   * @param past the tokens before, or null; extended by the call
   * @return (b, v), owned by the current scope
   */
  Tensor logits(Tensor ids, @Nullable Tensor attentionMask, @Nullable KvCache past);

  /** An empty cache with room for this many tokens to begin with. */
  KvCache newCache(long capacity);

  /** The longest sequence. */
  int maxPositions();

  /** Number of tokens in the vocabulary. */
  int vocabSize();

  /** Where the ids belong. */
  Device device();
}
