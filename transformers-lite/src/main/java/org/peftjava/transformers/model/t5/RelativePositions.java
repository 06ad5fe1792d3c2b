package org.peftjava.transformers.model.t5;

import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/**
 * The bias that attention adds for the distance between two tokens: one number per head and class
 * of distances, where near distances have a class each and far ones share logarithmically growing
 * classes.
 *
 * <p>Where {@code maxDistance} is below the first distance that shares its class, the formula runs
 * backwards, and far tokens have no class: Python's numbers as long as there are some, then an
 * error.
 *
 * <p>Reference: {@code T5Attention._relative_position_bucket} and {@code compute_bias}. As the bias
 * depends on the distance alone, it is looked up once per distance and laid out from there.
 * Letters: {@code t} tokens that ask, {@code s} tokens that are asked, {@code h} heads.
 *
 * @param table the attention that holds the bias
 * @param bidirectional whether tokens see those behind them; otherwise these get minus infinity
 * @param buckets number of classes
 * @param maxDistance from this distance on, all are in one class
 */
record RelativePositions(T5Attention table, boolean bidirectional, int buckets, int maxDistance) {

  static RelativePositions of(T5Config config, T5Attention table, boolean bidirectional) {
    return new RelativePositions(
        table,
        bidirectional,
        config.relativeAttentionNumBuckets(),
        config.relativeAttentionMaxDistance());
  }

  /**
   * The bias (1, h, t, s) of tokens that stand at the end of those that are asked, owned by the
   * current scope.
   */
  Tensor bias(long tokens, long asked, Device device) {
    try (TensorScope scope = TensorScope.open("relative positions")) {
      // row i, column j holds the bias of position j - i - (s - t): a slice of one vector
      Tensor byPosition = byPosition(1 - asked, tokens, device);
      long heads = byPosition.size(0);
      if (tokens == 1) {
        return scope.keep(byPosition.reshape(1, heads, 1, asked));
      }
      Tensor rows = Creation.arange(0, tokens, device).reshape(tokens, 1);
      Tensor columns = Creation.arange(tokens - 1, tokens - 1 + asked, device).reshape(1, asked);
      Tensor index = columns.sub(rows);
      Tensor laidOut = byPosition.indexSelect(1, index.reshape(tokens * asked));
      return scope.keep(laidOut.reshape(1, heads, tokens, asked));
    }
  }

  /** The bias (h, n) of the relative positions from {@code start} to below {@code end}. */
  private Tensor byPosition(long start, long end, Device device) {
    Tensor positions = Creation.arange(start, end, device);
    Tensor values = table.bias(bucket(positions)).t();
    return bidirectional || end <= 1
        ? values
        : values.maskedFill(positions.gt(0).unsqueeze(0), Double.NEGATIVE_INFINITY);
  }

  /** The class of each relative position: asked minus asking. */
  private Tensor bucket(Tensor positions) {
    int classes = bidirectional ? buckets / 2 : buckets;
    Tensor behind = positions.gt(0);
    Tensor distance = bidirectional ? positions.abs() : positions.neg().maskedFill(behind, 0);
    int exact = classes / 2;
    // in float32 and in this order, since the borders between classes depend on rounding
    Tensor far =
        distance
            .to(DType.FLOAT32)
            .div(exact)
            .log()
            .div(Math.log(maxDistance / (double) exact))
            .mul(classes - exact)
            .to(DType.INT64)
            .add(exact);
    far = far.maskedFill(far.gt(classes - 1), classes - 1);
    Tensor near = Ops.where(distance.gt(exact - 1), far, distance);
    Tensor found = bidirectional ? near.add(behind.to(DType.INT64).mul(classes)) : near;
    if (maxDistance <= exact && found.min().toLong() < 0) {
      throw new IllegalArgumentException(
          "relative_attention_max_distance is "
              + maxDistance
              + ", so that some of these tokens are too far from each other to have one of the "
              + buckets
              + " buckets. Expected a larger one, above "
              + exact
              + ", or shorter texts.");
    }
    return found;
  }
}
