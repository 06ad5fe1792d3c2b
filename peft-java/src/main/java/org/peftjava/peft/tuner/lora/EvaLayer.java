package org.peftjava.peft.tuner.lora;

import java.util.Objects;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.WatchedLinear;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The principal components of what one layer gets, and which of them no longer change. */
final class EvaLayer implements WatchedLinear.Watcher, AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(EvaLayer.class);
  private static final double SHORTEST = 1e-8;

  private final String name;
  private final int components;
  private final double tau;
  private final UnaryOperator<Tensor> rows;
  private final IncrementalPca pca;
  private final boolean[] converged;

  /**
   * @param rows what of the layer's input counts: (n, d)
   */
  EvaLayer(String name, int components, double tau, UnaryOperator<Tensor> rows) {
    this.name = name;
    this.components = components;
    this.tau = tau;
    this.rows = rows;
    pca = new IncrementalPca(components);
    converged = new boolean[components];
  }

  @Override
  public void input(Tensor x) {
    try (TensorScope scope = TensorScope.open("eva")) {
      Tensor taken = rows.apply(x.detach());
      if (taken.size(0) < components) {
        LOG.warn(
            "Layer {} is left out for a batch: {} rows count, of which it needs {}.",
            name,
            taken.size(0),
            components);
        return;
      }
      Tensor before = pca.vectors() == null ? null : copyOf(pca.vectors());
      pca.fit(taken.to(DType.FLOAT32));
      if (before != null) {
        compare(copyOf(pca.vectors()), before);
      }
    }
  }

  private static Tensor copyOf(@Nullable Tensor vectors) {
    return Objects.requireNonNull(vectors).to(DType.FLOAT64).copy();
  }

  private void compare(Tensor now, Tensor before) {
    Tensor lengths =
        Ops.atLeast(Ops.norm(now, 1), SHORTEST).mul(Ops.atLeast(Ops.norm(before, 1), SHORTEST));
    float[] cosines =
        now.mul(before).sum(1).div(lengths.reshape(components)).to(DType.FLOAT32).toFloats();
    for (int i = 0; i < components; i++) {
      converged[i] = cosines[i] >= tau;
    }
  }

  /** Whether there are components. */
  boolean hasComponents() {
    return pca.vectors() != null;
  }

  /** Whether the first components no longer change. */
  boolean isConverged(int first) {
    for (int i = 0; i < first; i++) {
      if (!converged[i]) {
        return false;
      }
    }
    return true;
  }

  /** The share of the variance that each component explains. */
  float[] ratios() {
    return pca.ratios();
  }

  /** The first components, fresh (rank, d). */
  Tensor first(int rank, boolean whiten) {
    Tensor result = Objects.requireNonNull(pca.vectors()).narrow(0, 0, rank).copy();
    Tensor singular = Objects.requireNonNull(pca.singular()).narrow(0, 0, rank);
    return whiten ? result.div(singular.sqrt().unsqueeze(1)) : result;
  }

  @Override
  public void close() {
    pca.close();
  }
}
