package org.peftjava.torch.optim;

import java.util.Map;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * Steps that shrink with all squared gradients so far: {@code torch.optim.Adagrad}, in its order of
 * operations.
 *
 * <p>{@code g += wd*p; s += g^2; p -= lr/(1 + (t-1) lrDecay) * g / (sqrt(s) + eps)}. Paper:
 * jmlr.org/papers/v12/duchi11a.
 */
public final class Adagrad extends StatefulOptimizer {
  /**
   * The options, with torch's defaults in {@link #of}.
   *
   * @param learningRate not below 0
   * @param lrDecay not below 0
   * @param weightDecay not below 0
   * @param eps added to the denominator
   */
  public record Options(double learningRate, double lrDecay, double weightDecay, double eps) {
    /** Checks the ranges. */
    public Options {
      Ranges.notNegative("Adagrad", "learningRate", learningRate);
      Ranges.notNegative("Adagrad", "lrDecay", lrDecay);
      Ranges.notNegative("Adagrad", "weightDecay", weightDecay);
      Ranges.notNegative("Adagrad", "eps", eps);
    }

    /** No decay, and eps 1e-10. */
    public static Options of(double learningRate) {
      return new Options(learningRate, 0, 0, 1e-10);
    }
  }

  private static final String SUM = "sum";

  private final Options options;

  /** An optimizer of these parameters; their names are the keys of the state dict. */
  public Adagrad(Map<String, Parameter> parameters, Options options) {
    super(parameters, options.learningRate());
    this.options = options;
  }

  @Override
  Map<String, long[]> kept(Tensor parameter) {
    return Map.of(SUM, parameter.shape().toArray());
  }

  @Override
  void update(Tensor p, Tensor gradient, State state) {
    Tensor g = options.weightDecay() == 0 ? gradient : gradient.add(p, options.weightDecay());
    Tensor sum = state.get(SUM).addcmulInPlace(g, g, 1);
    double rate = learningRate() / (1 + (state.steps() - 1) * options.lrDecay());
    p.addcdivInPlace(g, sum.sqrt().addInPlace(options.eps()), -rate);
  }
}
