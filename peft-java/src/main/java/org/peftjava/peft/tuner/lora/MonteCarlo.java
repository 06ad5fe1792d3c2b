package org.peftjava.peft.tuner.lora;

import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * The distributions that MonteCLoRA draws from: A of a layer is {@code A + c sqrt(v) * sum_i w_i
 * z_i}, with normal numbers z, variances v of the ranks around {@code exp(2 p)}, and shares w of
 * the draws around those of a Dirichlet distribution with the parameters {@code exp(q)}.
 *
 * <p>Reference: PEFT {@code lora/monteclora.py::MontecloraSampler}. All matrices there that have
 * zeros beside their diagonals are vectors here. Shapes: n draws; z (n, r, d), p and v (r), q and w
 * (n).
 *
 * @param spread p
 * @param preference q
 */
record MonteCarlo(Parameter spread, Parameter preference, MontecloraConfig config) {
  private static final double LEAST_VARIANCE = 1e-3;
  private static final double LEAST = 1e-6;

  /**
   * Random numbers of one pass.
   *
   * @param normal z
   * @param chiSquare diagonal of a Wishart matrix with r degrees of freedom (r)
   * @param shares normal numbers (n)
   */
  record Draw(Tensor normal, Tensor chiSquare, Tensor shares) {}

  private long ranks() {
    return spread.numel();
  }

  private long draws() {
    return preference.numel();
  }

  /** Random numbers for a layer with d input features. */
  Draw draw(long d) {
    long r = ranks();
    return new Draw(normal(draws(), r, d), normal(r, r).pow(2).sum(1), normal(draws()));
  }

  private Tensor normal(long... sizes) {
    return Creation.empty(spread.dtype(), spread.tensor().device(), sizes).normalInPlace(0, 1);
  }

  /** v, in the graph. */
  Tensor variances(Tensor chiSquare) {
    return Ops.atLeast(spread.tensor().exp().pow(2).mul(chiSquare), LEAST_VARIANCE);
  }

  /** w, in the graph. */
  Tensor shares(Tensor noise) {
    double n = draws();
    Tensor alpha = Ops.atLeast(preference.tensor().exp(), LEAST);
    Tensor logs = alpha.log();
    Tensor inverse = alpha.pow(-1);
    Tensor variance =
        Ops.atLeast(inverse.mul(1 - 2 / n).add(inverse.sum().div(n * n)), LEAST).add(LEAST);
    return Ops.softmax(variance.sqrt().mul(noise).add(logs.sub(logs.mean())), -1);
  }

  /** What is added to A (r, d), in the graph. */
  Tensor change(Draw draw, Tensor variances, Tensor shares) {
    long d = draw.normal().size(2);
    Tensor mean =
        shares.unsqueeze(0).matmul(draw.normal().reshape(draws(), ranks() * d)).reshape(ranks(), d);
    return mean.mul(variances.sqrt().mul(config.sampleScaler()).unsqueeze(1));
  }

  /** How far what was drawn is from the prior distributions, in the graph. */
  Tensor penalty(Tensor variances, Tensor shares) {
    Tensor divergence =
        ofShares().add(ofWishart()).add(ofNormals(variances)).mul(config.klLossWeight());
    return config.useEntropy() ? divergence.add(shares.pow(2).sum()) : divergence;
  }

  /** From the Dirichlet distribution with equal parameters. */
  private Tensor ofShares() {
    double prior = config.dirichletPrior();
    Tensor alpha = preference.tensor().exp();
    Tensor sum = alpha.sum();
    Tensor equal = Creation.full(DType.FLOAT32, prior, 1).to(alpha.dtype()).to(alpha.device());
    Tensor all = equal.mul((double) draws());
    Tensor ofSums = Ops.lgamma(sum).sub(Ops.lgamma(all).reshape());
    Tensor each = Ops.lgamma(alpha).sub(Ops.lgamma(equal)).sum();
    Tensor pull = alpha.add(-prior).mul(Ops.digamma(alpha).sub(Ops.digamma(sum))).sum();
    return ofSums.sub(each).add(pull);
  }

  /** From the Wishart distribution whose scale is 1. */
  private Tensor ofWishart() {
    double r = ranks();
    Tensor p = spread.tensor();
    return p.exp().pow(2).sum().sub(p.mul(2).sum()).mul(r).add(-r * r).mul(0.5);
  }

  /** From normal numbers with variance 1. */
  private Tensor ofNormals(Tensor variances) {
    Tensor above = variances.sum().sub(variances.log().sum()).add(-(double) ranks());
    return above.mul(draws() * 0.5);
  }
}
