package org.peftjava.transformers.model;

import org.peftjava.torch.Creation;
import org.peftjava.torch.DecodeAttention;
import org.peftjava.torch.DecodeAttention.Operands;
import org.peftjava.torch.DecodeAttention.Rule;
import org.peftjava.torch.StepPlace;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/**
 * What happens between the projections of a rotary decoder's attention for one new token a row
 * whose place only the device knows: in one launch where there is a kernel for it, else by
 * operators over all of the cache, written or not.
 */
final class OneToken {
  private OneToken() {}

  /**
   * Rotates, writes to the cache and attends.
   *
   * @param query (b, h, 1, d), before rotation
   * @param key (b, k, 1, d), before rotation
   * @param value (b, k, 1, d)
   * @param all the rotations of all places
   * @return (b, 1, h d)
   */
  static Tensor attend(
      RotaryHeads heads,
      Tensor query,
      Tensor key,
      Tensor value,
      Rotation all,
      KvCache past,
      StepPlace place) {
    KvCache.KeyValues cache = past.whole(heads.layer());
    long window = heads.type() == LayerType.SLIDING ? heads.window() : 0;
    try (TensorScope scope = TensorScope.open("one token")) {
      Operands operands =
          new Operands(query, key, value, all.cos(), all.sin(), cache.keys(), cache.values());
      if (DecodeAttention.covers(operands, place)) {
        Rule rule = new Rule(heads.scale(), heads.cap(), window, heads.inPairs());
        return scope.keep(DecodeAttention.of(operands, rule, place));
      }
      Rotation rotation = all.at(place.position());
      Tensor queries = heads.turned(query, rotation);
      cache.keys().indexCopyInPlace(2, place.position(), heads.turned(key, rotation));
      cache.values().indexCopyInPlace(2, place.position(), value);
      AttentionMask mask = new AttentionMask(hiding(place, window, query), false);
      return scope.keep(
          Attention.join(
              Attention.of(
                  queries,
                  cache.keys(),
                  cache.values(),
                  mask,
                  0,
                  heads.scale(),
                  heads.cap(),
                  null)));
    }
  }

  /** (b or 1, 1, 1, c), which hides what comes later, or long before, and padding. */
  private static Tensor hiding(StepPlace place, long window, Tensor like) {
    Tensor places = Creation.arange(0, place.capacity(), like.device());
    Tensor hidden = place.position().lt(places);
    if (window > 0) {
      hidden = hidden.or(places.lt(place.position().add(1.0 - window)));
    }
    Tensor mask = place.mask();
    Tensor whole = hidden.reshape(1, 1, 1, place.capacity());
    if (mask != null) {
      whole = whole.or(mask.eq(0).reshape(mask.size(0), 1, 1, place.capacity()));
    }
    return Creation.zeros(like.dtype(), like.device(), whole.shape().toArray())
        .maskedFill(whole, Double.NEGATIVE_INFINITY);
  }
}
