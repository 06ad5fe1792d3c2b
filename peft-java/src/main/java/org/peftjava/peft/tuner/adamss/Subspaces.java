package org.peftjava.peft.tuner.adamss;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.LinearAlgebra.Svd;
import org.peftjava.torch.SeededRandom;
import org.peftjava.torch.Tensor;

/**
 * The decomposition of a weight, with its bias as a last column, {@code [W b] = U S V^T}, and the
 * clusters of U's rows. The same seed gives Python's clusters.
 *
 * <p>Reference: PEFT {@code tuners/adamss/utils.py}. Shapes: U (o, r), V^T (r, d), or (r, d + 1).
 *
 * @param left U
 * @param right V^T
 * @param rows of each cluster, in order
 */
record Subspaces(Tensor left, Tensor right, List<long[]> rows) {
  private static final int SEED = 123_456_789; // Python's, whatever the config says
  private static final int ITERATIONS = 10;
  private static final int POWERS = 2;

  static Subspaces of(Tensor weight, AdamssConfig config, String path) {
    long r = Math.min(config.r(), Math.min(weight.size(0), weight.size(1)));
    Svd svd = LinearAlgebra.svdLowRank(weight, r, POWERS, new SeededRandom(config.randomSeed()));
    int count = (int) Math.min(config.numSubspaces(), weight.size(0));
    int[] labels = KMeans.cluster(points(svd.u()), count, ITERATIONS, SEED);
    List<long[]> rows = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int label = i;
      long[] own =
          IntStream.range(0, labels.length)
              .filter(row -> labels[row] == label)
              .asLongStream()
              .toArray();
      if (own.length == 0) {
        throw new IllegalArgumentException(
            "AdamssConfig: numSubspaces "
                + config.numSubspaces()
                + " is more than the different rows of \""
                + path
                + "\". Choose fewer.");
      }
      rows.add(own);
    }
    return new Subspaces(svd.u(), svd.vh(), rows);
  }

  private static double[][] points(Tensor u) {
    int columns = Math.toIntExact(u.size(1));
    float[] flat = u.to(DType.FLOAT32).contiguous().toFloats();
    double[][] result = new double[flat.length / columns][columns];
    for (int i = 0; i < flat.length; i++) {
      result[i / columns][i % columns] = flat[i];
    }
    return result;
  }

  /** The rank of the update in a cluster. */
  long rank(int cluster, AdamssConfig config) {
    long most = Math.min(config.subspaceRank(), Math.min(rows.get(cluster).length, left.size(1)));
    if (!config.useDynamicRank()) {
      return most;
    }
    float[] values = part(cluster).s().toFloats();
    long count = 0;
    for (float value : values) {
      if (value * value > config.svdThreshold() * values[0] * values[0]) {
        count++;
      }
    }
    return Math.max(1, Math.min(count, most));
  }

  private Svd part(int cluster) {
    long[] own = rows.get(cluster);
    Tensor index = Creation.ofLongs(own, own.length).to(left.device());
    return LinearAlgebra.svd(left.indexSelect(0, index));
  }

  /** Orthonormal rows (rank, r): the leading directions of a cluster's rows of U. */
  Tensor directions(int cluster, long rank) {
    return part(cluster).vh().narrow(0, 0, rank);
  }

  /** The place of each output among the rows of all clusters, one after the other. */
  long[] places() {
    long[] result = new long[Math.toIntExact(left.size(0))];
    int next = 0;
    for (long[] own : rows) {
      for (long row : own) {
        result[(int) row] = next++;
      }
    }
    return result;
  }
}
