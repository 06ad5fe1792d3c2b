package org.peftjava.torch.optim;

import java.util.LinkedHashMap;
import java.util.Map;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * Steps divided by the root of a running mean of squared gradients: {@code torch.optim.RMSprop}, in
 * its order of operations.
 *
 * <p>{@code g += wd*p; v = a v + (1-a) g^2}; if centered, the square of the running mean of {@code
 * g} is taken off {@code v}; {@code d = g / (sqrt(v) + eps)}; with momentum {@code b = mu b + d},
 * and {@code p -= lr * b}, else {@code p -= lr * d}.
 */
public final class RMSprop extends StatefulOptimizer {
  /**
   * The options, with torch's defaults in {@link #of}.
   *
   * @param learningRate not below 0
   * @param alpha decay of the mean of squared gradients, not below 0
   * @param eps added to the denominator
   * @param weightDecay not below 0
   * @param momentum not below 0; 0 for none
   * @param centered whether the mean of gradients counts
   */
  public record Options(
      double learningRate,
      double alpha,
      double eps,
      double weightDecay,
      double momentum,
      boolean centered) {
    /** Checks the ranges. */
    public Options {
      Ranges.notNegative("RMSprop", "learningRate", learningRate);
      Ranges.notNegative("RMSprop", "alpha", alpha);
      Ranges.notNegative("RMSprop", "eps", eps);
      Ranges.notNegative("RMSprop", "weightDecay", weightDecay);
      Ranges.notNegative("RMSprop", "momentum", momentum);
    }

    /** Alpha 0.99, eps 1e-8, no momentum, no decay. */
    public static Options of(double learningRate) {
      return new Options(learningRate, 0.99, 1e-8, 0, 0, false);
    }
  }

  private static final String SQUARE = "square_avg";
  private static final String MEAN = "grad_avg";
  private static final String MOMENTUM = "momentum_buffer";

  private final Options options;

  /** An optimizer of these parameters; their names are the keys of the state dict. */
  public RMSprop(Map<String, Parameter> parameters, Options options) {
    super(parameters, options.learningRate());
    this.options = options;
  }

  @Override
  Map<String, long[]> kept(Tensor parameter) {
    long[] sizes = parameter.shape().toArray();
    Map<String, long[]> kept = new LinkedHashMap<>();
    kept.put(SQUARE, sizes);
    if (options.momentum() > 0) {
      kept.put(MOMENTUM, sizes);
    }
    if (options.centered()) {
      kept.put(MEAN, sizes);
    }
    return kept;
  }

  @Override
  void update(Tensor p, Tensor gradient, State state) {
    double rest = 1 - options.alpha();
    Tensor g = options.weightDecay() == 0 ? gradient : gradient.add(p, options.weightDecay());
    Tensor square = state.get(SQUARE).mulInPlace(options.alpha()).addcmulInPlace(g, g, rest);
    Tensor root = square.sqrt();
    if (options.centered()) {
      Tensor mean = state.get(MEAN).lerpInPlace(g, rest);
      root = square.copy().addcmulInPlace(mean, mean, -1).sqrt();
    }
    root.addInPlace(options.eps());
    if (options.momentum() > 0) {
      Tensor momentum = state.get(MOMENTUM).mulInPlace(options.momentum());
      p.addInPlace(momentum.addcdivInPlace(g, root, 1), -learningRate());
    } else {
      p.addcdivInPlace(g, root, -learningRate());
    }
  }
}
