package org.peftjava.transformers.model.debertav2;

import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/**
 * The vectors of those distances that occur between the tokens of a text.
 *
 * <p>Near distances have a vector each; with classes ("buckets") far ones share logarithmically
 * growing ones. Reference: {@code build_relative_position}, {@code make_log_bucket_position}.
 * Letters: {@code t} tokens, {@code n} vectors, {@code e} hidden size.
 *
 * @param vectors (n, e), one for each class of distances that occurs
 * @param index (t, t), int64: the vector for token i, which asks, and token j, which is asked
 */
record Distances(Tensor vectors, Tensor index) {
  /**
   * The vectors for texts of this length, owned by the current scope.
   *
   * @param table (2 span, e), the vectors of all classes from -span to span - 1
   * @param buckets number of classes in each direction; 0 if each distance is one
   * @param max the distance from which on all are one
   */
  static Distances of(Tensor table, long tokens, int buckets, int max) {
    long span = buckets > 0 ? buckets : max;
    try (TensorScope scope = TensorScope.open("distances")) {
      long[] rows = new long[(int) (2 * tokens - 1)];
      long[] classes = classes(tokens, buckets, max);
      for (int distance = 0; distance < tokens; distance++) {
        rows[(int) tokens - 1 + distance] = clamp(span + classes[distance], span);
        rows[(int) tokens - 1 - distance] = clamp(span - classes[distance], span);
      }
      long first = rows[0];
      long count = rows[rows.length - 1] - first + 1;
      Device device = table.device();
      Tensor byDistance = Creation.ofLongs(rows, rows.length).add((double) -first).to(device);
      Tensor asking = Creation.arange(tokens - 1, 2 * tokens - 1, device).reshape(tokens, 1);
      Tensor asked = Creation.arange(0, tokens, device).reshape(1, tokens);
      Tensor laidOut = byDistance.indexSelect(0, asking.sub(asked).reshape(tokens * tokens));
      return new Distances(
          scope.keep(table.narrow(0, first, count)), scope.keep(laidOut.reshape(tokens, tokens)));
    }
  }

  private static long clamp(long row, long span) {
    return Math.max(0, Math.min(row, 2 * span - 1));
  }

  /** The class of each distance from 0 to below the number of tokens. */
  private static long[] classes(long tokens, int buckets, int max) {
    Tensor distance = Creation.arange(0, tokens, Device.CPU);
    long[] classes = distance.toLongs();
    int exact = buckets / 2;
    if (buckets == 0 || tokens <= exact) {
      return classes;
    }
    // in float32 and in this order, since the borders between classes depend on rounding
    float[] last = {(float) ((max - 1) / (double) exact)};
    float[] far =
        distance
            .to(DType.FLOAT32)
            .div(exact)
            .log()
            .div(Creation.ofFloats(last, 1).log())
            .mul(exact - 1.0)
            .toFloats();
    for (int i = exact + 1; i < tokens; i++) {
      classes[i] = (long) Math.ceil(far[i]) + exact;
    }
    return classes;
  }
}
