package org.peftjava.transformers.model;

import org.peftjava.torch.StepPlace;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.AttentionLayer;

/**
 * What happens between the projections of a rotary decoder's attention: rotation by position,
 * cache, and {@code softmax(scale q k^T + mask) v}.
 *
 * @param layer index of the layer, for the cache
 * @param heads number of heads that ask
 * @param keyValueHeads number of heads that are asked; divides {@code heads}
 * @param headDim size d of a head
 * @param scale of the scores
 * @param cap bound of the scores, 0 for none
 * @param dropout probability inside attention, while training
 * @param type how far back the layer looks
 * @param window that many tokens, where the type is sliding
 * @param inPairs whether neighbouring elements turn together, as in GPT-J, instead of the i-th of
 *     either half
 */
public record RotaryHeads(
    int layer,
    int heads,
    int keyValueHeads,
    int headDim,
    double scale,
    double cap,
    double dropout,
    LayerType type,
    long window,
    boolean inPairs) {

  /** The usual heads of a layer: scores divided by the root of d, without a bound. */
  public static RotaryHeads of(RotaryConfig config, int layer) {
    return new RotaryHeads(
        layer,
        config.numAttentionHeads(),
        config.numKeyValueHeads(),
        config.headDim(),
        1 / Math.sqrt(config.headDim()),
        0,
        config.attentionDropout(),
        config.layerType(layer),
        config.window(),
        false);
  }

  /** The same with another scale and bound of the scores. */
  public RotaryHeads with(double newScale, double newCap) {
    return new RotaryHeads(
        layer, heads, keyValueHeads, headDim, newScale, newCap, dropout, type, window, inPairs);
  }

  /** The same where neighbouring elements turn together. */
  public RotaryHeads turningPairs() {
    return new RotaryHeads(
        layer, heads, keyValueHeads, headDim, scale, cap, dropout, type, window, true);
  }

  Tensor turned(Tensor x, Rotation rotation) {
    return inPairs ? rotation.applyToPairs(x) : rotation.apply(x);
  }

  /** Length of all queries of a token. */
  public long queryWidth() {
    return (long) heads * headDim;
  }

  /** Length of all keys, or values, of a token. */
  public long keyValueWidth() {
    return (long) keyValueHeads * headDim;
  }

  /**
   * What tokens get of vectors beside the text; see {@link AttentionLayer#askBeside}.
   *
   * @param query (b, heads, t, d), before rotation
   * @param key (1, keyValueHeads, n, d)
   * @param value (1, keyValueHeads, n, d)
   * @return (b, t, heads d)
   */
  public Tensor askBeside(
      Tensor query, Tensor key, Tensor value, Tensor gate, RotaryContext context) {
    return Attention.gated(turned(query, context.of(type).besideText()), key, value, gate);
  }

  /**
   * Attends.
   *
   * @param query (b, heads, t, d), before rotation
   * @param key (b, keyValueHeads, t, d), before rotation
   * @param value (b, keyValueHeads, t, d)
   * @return (b, t, heads d)
   */
  public Tensor attend(
      Tensor query, Tensor key, Tensor value, RotaryContext context, boolean training) {
    KvCache past = context.past();
    StepPlace place = past == null ? null : past.place();
    if (past != null && place != null) {
      return OneToken.attend(this, query, key, value, context.of(type).rotation(), past, place);
    }
    try (TensorScope scope = TensorScope.open("heads")) {
      Rotation rotation = context.of(type).rotation();
      Tensor queries = turned(query, rotation);
      Tensor keys = turned(key, rotation);
      Tensor values = value;
      AttentionMask mask = context.of(type).mask();
      if (past != null) {
        KvCache.KeyValues all = past.append(layer, keys, values);
        keys = all.keys();
        values = all.values();
      }
      long total = keys.size(2);
      if (type == LayerType.SLIDING && query.size(2) == 1 && total > window) {
        keys = keys.narrow(2, total - window, window);
        values = values.narrow(2, total - window, window);
        mask = mask.ofLast(window);
      }
      double dropped = training ? dropout : 0;
      return scope.keep(
          Attention.join(
              Attention.of(queries, keys, values, mask, dropped, scale, cap, context.trace())));
    }
  }
}
