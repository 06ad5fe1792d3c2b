package org.peftjava.transformers.model;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Tensor;

/**
 * What a decoder keeps from token to token: the keys and values of its own tokens, those made of
 * the encoder's states, and tensors that stay the same for the whole text, such as masks.
 *
 * <p>Owns its memory: close it.
 */
public final class EncoderDecoderCache implements AutoCloseable {
  private final KvCache selfAttention;
  private final @Nullable CrossAttentionCache crossAttention;
  private final Map<String, Tensor> constants = new HashMap<>();

  /** An empty cache for this many decoder layers. */
  public EncoderDecoderCache(int layers, long initialCapacity) {
    selfAttention = new KvCache(layers, initialCapacity);
    crossAttention = new CrossAttentionCache(layers);
  }

  /**
   * A prefix in front of the decoder's own tokens, for one pass that may record gradients. Takes it
   * over.
   */
  public EncoderDecoderCache(PrefixCache prefix) {
    selfAttention = prefix;
    crossAttention = null;
  }

  /** Keys and values of the decoder's own tokens. */
  public KvCache selfAttention() {
    return selfAttention;
  }

  /** Keys and values of the encoder's tokens; null if they are made anew in each pass. */
  public @Nullable CrossAttentionCache crossAttention() {
    return crossAttention;
  }

  /** Number of tokens that the decoder has seen. */
  public long length() {
    return selfAttention.length();
  }

  /** What was kept under this name, or null. */
  public @Nullable Tensor constant(String name) {
    return constants.get(name);
  }

  /** Keeps a tensor in place of what the name had; the cache owns it from now on. Returns it. */
  public Tensor keep(String name, Tensor tensor) {
    Tensor old = constants.put(name, tensor.alias().escape());
    if (old != null) {
      old.close();
    }
    return tensor;
  }

  /**
   * Replaces each row by {@code copies} equal rows in its place. Constants of one row serve all.
   */
  public void expand(int copies) {
    selfAttention.expand(copies);
    if (crossAttention != null) {
      crossAttention.expand(copies);
    }
    constants.replaceAll(
        (name, tensor) -> tensor.size(0) == 1 ? tensor : Rows.replaceByCopies(tensor, copies));
  }

  @Override
  public void close() {
    selfAttention.close();
    if (crossAttention != null) {
      crossAttention.close();
    }
    constants.values().forEach(Tensor::close);
    constants.clear();
  }
}
