package org.peftjava.torch.kernels;

/**
 * One AdamW step over a list of float32 parameters.
 *
 * <p>For each element, in the order and precision of {@code torch.optim.AdamW} (single tensor,
 * neither amsgrad nor maximize): {@code g *= gradientScale; p *= 1 - lr weightDecay; m = lerp(m, g,
 * 1 - beta1); v = beta2 v + (1 - beta2) g g; p -= lr / (1 - beta1^step) m / (sqrt(v) / sqrt(1 -
 * beta2^step) + eps)}. The paper: Decoupled Weight Decay Regularization, <a
 * href="https://arxiv.org/abs/1711.05101">arXiv:1711.05101</a>.
 */
public final class AdamWKernel {
  private static final String NAME = "AdamWKernel";

  private AdamWKernel() {}

  /**
   * Updates parameters and both moments in place; gradients are only read.
   *
   * @param parameters addresses, one for each entry of {@code counts}; so the next three
   * @param means first moments
   * @param squares second moments
   * @param counts elements of each parameter
   * @param gradientScale multiplies the gradients on the way in: a clipping factor, else 1
   * @param step this step's number, from 1
   */
  public static void step(
      long[] parameters,
      long[] gradients,
      long[] means,
      long[] squares,
      long[] counts,
      double gradientScale,
      double lr,
      double beta1,
      double beta2,
      double eps,
      double weightDecay,
      long step,
      int threads) {
    Arguments.call(NAME, threads);
    Arguments.sameLength(NAME, counts, parameters, gradients, means, squares);
    if (step < 1) {
      throw new IllegalArgumentException(NAME + ": step counts from 1, got " + step + ".");
    }
    KernelLibrary.adamw(
        parameters,
        gradients,
        means,
        squares,
        counts,
        counts.length,
        gradientScale,
        lr,
        beta1,
        beta2,
        eps,
        weightDecay,
        step,
        threads);
  }
}
