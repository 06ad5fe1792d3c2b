package org.peftjava.peft.tuner.lora;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.LinearAlgebra.Svd;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;

/**
 * Principal components of data that comes batch by batch.
 *
 * <p>Reference: PEFT {@code utils/incremental_pca.py::IncrementalPCA} as EVA uses it: an
 * approximate decomposition whose random directions always have the same seed, and vectors whose
 * largest element is positive. The mean is float64, and with it all after the first batch. Letters:
 * n rows of a batch, d features, k components.
 */
final class IncrementalPca implements AutoCloseable {
  private static final long SEED = 42;
  private static final int ITERATIONS = 4;

  private final int k;
  private long seen;
  private @Nullable Tensor mean; // (d)
  private @Nullable Tensor variance; // (d)
  private @Nullable Tensor singular; // (k)
  private @Nullable Tensor vectors; // (k, d)
  private float[] ratios = {};

  IncrementalPca(int k) {
    this.k = k;
  }

  /** The components (k, d), or null before the first batch. */
  @Nullable Tensor vectors() {
    return vectors;
  }

  /** The singular values (k), or null before the first batch. */
  @Nullable Tensor singular() {
    return singular;
  }

  /** The share of the variance that each component explains. */
  float[] ratios() {
    return ratios;
  }

  /**
   * Takes another batch.
   *
   * @param x (n, d), float32, with at least k rows
   */
  void fit(Tensor x) {
    long n = x.size(0);
    long total = seen + n;
    Tensor wide = x.to(DType.FLOAT64);
    Tensor sum = wide.sum(0);
    Tensor newMean = (mean == null ? sum : mean.mul((double) seen).add(sum)).div((double) total);
    Tensor newVariance = newVariance(wide, sum, n, total);
    Svd svd = decomposed(x, wide, newMean, n, total);
    Tensor signs = Ops.sign(svd.vh().gather(1, svd.vh().abs().argmax(1).unsqueeze(1))); // (q, 1)
    Tensor share = svd.s().pow(2).div(newVariance.mul((double) total).sum().toDouble());
    ratios = share.narrow(0, 0, k).to(DType.FLOAT32).toFloats();
    Tensor newVectors = svd.vh().mul(signs).narrow(0, 0, k).copy();
    Tensor newSingular = svd.s().narrow(0, 0, k).copy();
    close();
    mean = newMean.escape();
    variance = newVariance.escape();
    vectors = newVectors.escape();
    singular = newSingular.escape();
    seen = total;
  }

  private Tensor newVariance(Tensor x, Tensor sum, long n, long total) {
    Tensor centered = x.sub(sum.div((double) n));
    Tensor correction = centered.sum(0).pow(2).div((double) n);
    Tensor own = centered.pow(2).sum(0).sub(correction);
    if (mean == null || variance == null) {
      return own.div((double) total);
    }
    double ratio = (double) seen / n;
    Tensor gap = mean.mul((double) seen).div(ratio).sub(sum).pow(2).mul(ratio / total);
    return variance.mul((double) seen).add(own).add(gap).div((double) total);
  }

  private Svd decomposed(Tensor x, Tensor wide, Tensor newMean, long n, long total) {
    if (mean == null || singular == null || vectors == null) {
      return seeded(wide.sub(newMean).to(DType.FLOAT32));
    }
    Tensor batchMean = x.sum(0).div((double) n);
    Tensor moved = mean.sub(batchMean.to(DType.FLOAT64)).mul(Math.sqrt((double) seen / total * n));
    Tensor before = singular.unsqueeze(1).mul(vectors).to(DType.FLOAT64);
    Tensor now = x.sub(batchMean).to(DType.FLOAT64);
    return seeded(Creation.cat(List.of(before, now, moved.unsqueeze(0)), 0));
  }

  private Svd seeded(Tensor x) {
    long directions = Math.min(2L * k, Math.min(x.size(0), x.size(1)));
    Randomness.State state = Randomness.save();
    try {
      Randomness.manualSeed(SEED);
      return LinearAlgebra.svdLowRank(x, directions, ITERATIONS);
    } finally {
      Randomness.restore(state);
    }
  }

  @Override
  public void close() {
    for (Tensor each : new @Nullable Tensor[] {mean, variance, vectors, singular}) {
      if (each != null) {
        each.close();
      }
    }
  }
}
