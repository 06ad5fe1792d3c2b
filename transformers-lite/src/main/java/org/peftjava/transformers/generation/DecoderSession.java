package org.peftjava.transformers.generation;

import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Tensor;

/**
 * A model in the middle of generating: what it has computed of some rows of tokens, and of their
 * encoder's inputs. Owns that memory: close it.
 *
 * <p>Letters: {@code b} rows, {@code t} new tokens, {@code s} all tokens, {@code v} vocabulary.
 */
public interface DecoderSession extends AutoCloseable {
  /**
   * Logits of the last position; the tokens are remembered, if there is a cache.
   *
   * @param ids (b, t), the tokens behind the first {@link #length()}
   * @param attentionMask (b, s) over all tokens of the decoder, or null if nothing is padded
   * @return (b, v), owned by the current scope
   */
  Tensor logits(Tensor ids, @Nullable Tensor attentionMask);

  /**
   * The same of the last positions, to check guesses about them.
   *
   * @param positions how many, at most those given now
   * @return (b, positions, v), owned by the current scope
   */
  default Tensor logits(Tensor ids, @Nullable Tensor attentionMask, int positions) {
    throw new UnsupportedOperationException(
        "This model shows the logits of the last position only. Remove prompt_lookup_num_tokens and"
            + " assistantModel.");
  }

  /** Forgets all but the first tokens; only with a cache. */
  default void crop(long length) {
    throw new UnsupportedOperationException("This model cannot forget tokens.");
  }

  /**
   * Logits with hidden states.
   *
   * @param logits (b, v) of the last position
   * @param hidden (b, t, e), the last hidden states of the tokens given now
   */
  record Step(Tensor logits, Tensor hidden) {}

  /** The same as {@link #logits} with hidden states, which contrastive search compares. */
  default Step step(Tensor ids, @Nullable Tensor attentionMask) {
    throw new UnsupportedOperationException(
        "This model does not show the hidden states that contrastive search compares. Remove"
            + " penalty_alpha.");
  }

  /**
   * Says how long the longest row will be with the tokens given next, padding not counted. Where
   * that makes what is remembered useless, it is forgotten: {@link #length()} is 0 then.
   */
  default void reach(long positions) {}

  /** The longest sequence that is computed as one of this length is. */
  default long alikeUntil(long positions) {
    return Long.MAX_VALUE;
  }

  /** How many tokens are remembered; always 0 without a cache. */
  long length();

  /** Replaces each row, and its encoder's state, by {@code copies} equal rows in its place. */
  void expand(int copies);

  /**
   * Lets row i go on from what row {@code rows[i]} remembers, of the same prompt: the encoder's
   * state stays, and of the decoder's only what follows {@code from} tokens differs.
   */
  void reorder(long[] rows, long from);

  @Override
  void close();
}
