package org.peftjava.peft.tuner.oft;

import org.peftjava.peft.tuner.LayerSite;
import org.peftjava.peft.tuner.Rotations;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.LinearAlgebra;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;

/**
 * OFT's rotation of blocks of features: what stands above the diagonals of skew-symmetric matrices
 * is trained, and Cayley's transform makes rotations of them.
 *
 * <p>Papers: OFT arXiv:2306.07280, OFTv2 arXiv:2506.19847. Reference: PEFT {@code
 * oft/layer.py::OFTRotationModule}. Shape of the weight: (n, b(b-1)/2), n the number of blocks or
 * 1.
 */
final class OFTRotation {
  private static final double ROUNDING = 1 + 1e-6; // so that shortening twice is shortening once

  private final Parameter weight;
  private final OFTConfig config;
  private final int block;

  private OFTRotation(Parameter weight, OFTConfig config, int block) {
    this.weight = weight;
    this.config = config;
    this.block = block;
  }

  /** A rotation of so many features. */
  static OFTRotation over(LayerSite site, OFTConfig config, long features) {
    long asked = config.r() != 0 ? config.r() : config.oftBlockSize();
    long fitting = OFTMethod.divisorNear(features, asked);
    long block = config.r() != 0 ? features / fitting : fitting;
    long count = config.blockShare() ? 1 : features / block;
    Init init = config.initWeights() ? Init.zeros() : Init.normal(0.1);
    Parameter weight = site.parameter(init, count, block * (block - 1) / 2);
    return new OFTRotation(weight, config, Math.toIntExact(block));
  }

  Parameter weight() {
    return weight;
  }

  /** The matrices (n, b, b), in the graph. */
  Tensor matrices() {
    if (config.coft()) {
      keepSmall();
    }
    Tensor q = Rotations.skew(weight.tensor(), block);
    return config.useCayleyNeumann()
        ? Rotations.cayleySeries(q, config.numCayleyNeumannTerms())
        : Rotations.cayley(q);
  }

  /** x with its last dimension rotated, in the weight's type. */
  Tensor apply(Tensor x) {
    return Rotations.rotate(x.to(weight.dtype()), matrices());
  }

  /**
   * The rows of a matrix (., features) times the transposed rotation: how a linear weight turns.
   */
  Tensor applyTransposed(Tensor rows) {
    return Rotations.rotate(rows.to(weight.dtype()), matrices().transpose(1, 2));
  }

  /** The reverse of {@link #applyTransposed}; the series is no exact rotation. */
  Tensor undoTransposed(Tensor rows) {
    return Rotations.rotate(
        rows.to(weight.dtype()), LinearAlgebra.inverse(matrices()).transpose(1, 2));
  }

  /** The reverse of {@link #apply}. */
  Tensor undo(Tensor rows) {
    return Rotations.rotate(rows.to(weight.dtype()), LinearAlgebra.inverse(matrices()));
  }

  /** As in Python, every use first shortens what exceeds eps. */
  private void keepSmall() {
    try (TensorScope scope = TensorScope.open("coft");
        GradMode off = GradMode.noGrad()) {
      Tensor upper = weight.tensor().detach();
      double bound = config.eps() / Math.sqrt((double) upper.size(0));
      Tensor length = Ops.norm(upper, 1).mul(Math.sqrt(2)); // of the whole matrix
      Tensor isLong = length.gt(bound * ROUNDING);
      if (isLong.sum().toLong() > 0) {
        Tensor shorter = upper.div(length).mul(bound);
        upper.copyInPlace(Ops.where(isLong, shorter, upper));
      }
    }
  }
}
