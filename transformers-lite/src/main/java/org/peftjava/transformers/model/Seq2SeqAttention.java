package org.peftjava.transformers.model;

import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.KvCache.KeyValues;

/**
 * What attention in a stack of an encoder-decoder does with its four maps: {@code softmax(scale q
 * k^T + mask) v}, projected back, over the same tokens or over those of the encoder, with what the
 * caches keep.
 *
 * <p>Letters: {@code b} batch, {@code t} tokens that ask, {@code e} hidden size.
 *
 * @param layer number of the layer in its stack
 * @param headSize of queries, keys and values
 */
public record Seq2SeqAttention(
    Slot<LinearLayer> query,
    Slot<LinearLayer> key,
    Slot<LinearLayer> value,
    Slot<LinearLayer> output,
    int layer,
    long headSize,
    double scale) {

  /**
   * Attends from each token of x (b, t, e) to the tokens around it; returns (b, t, e).
   *
   * @param dropout probability now: 0 outside training
   */
  public Tensor toItself(Tensor x, Seq2SeqContext context, double dropout) {
    try (TensorScope scope = TensorScope.open("self attention")) {
      KeyValues now = keyValues(x);
      KvCache past = context.past();
      KeyValues all = past == null ? now : past.append(layer, now.keys(), now.values());
      return scope.keep(attend(x, all, context.mask(), dropout, context.trace()));
    }
  }

  /** Attends from each token of x (b, t, e) to the encoder's states; returns (b, t, e). */
  public Tensor toEncoder(Tensor x, Seq2SeqContext.Encoder encoder, double dropout) {
    try (TensorScope scope = TensorScope.open("cross attention")) {
      CrossAttentionCache cache = encoder.cache();
      KeyValues all =
          cache == null
              ? keyValues(encoder.states())
              : cache.get(layer, () -> keyValues(encoder.states()));
      return scope.keep(attend(x, all, encoder.mask(), dropout, encoder.trace()));
    }
  }

  private KeyValues keyValues(Tensor states) {
    return new KeyValues(
        Attention.split(key.get().forward(states), headSize),
        Attention.split(value.get().forward(states), headSize));
  }

  private Tensor attend(
      Tensor x, KeyValues all, AttentionMask mask, double dropout, @Nullable LayerTrace trace) {
    Tensor asked = Attention.split(query.get().forward(x), headSize);
    Tensor mixed = Attention.of(asked, all.keys(), all.values(), mask, dropout, scale, trace);
    return output.get().forward(Attention.join(mixed));
  }
}
