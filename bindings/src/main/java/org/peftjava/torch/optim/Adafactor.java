package org.peftjava.torch.optim;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.UnaryOperator;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * AdamW with little memory: of the squared gradients of a matrix, only means of rows and columns
 * are kept. transformers' {@code Adafactor}, in its order of operations. Paper: arXiv:1804.04235.
 *
 * <p>{@code b = 1 - t^decayRate; r = b r + (1-b) mean_row(g^2 + eps1)}, {@code c} likewise over
 * columns; {@code u = g / sqrt(r c / mean(r))}, scaled down so that its root mean square is at most
 * {@code clipThreshold}; {@code p -= a u} with weight decay {@code p -= a wd p}. The rate {@code a}
 * is the learning rate, or with {@code relativeStep} {@code min(0.01, 1/sqrt(t))}; with {@code
 * scaleParameter} it is multiplied by the parameter's root mean square.
 */
public final class Adafactor extends StatefulOptimizer {
  /**
   * The options, with transformers' defaults in {@link #defaults}.
   *
   * @param learningRate not below 0; has no effect with {@code relativeStep}
   * @param eps1 added to squared gradients
   * @param eps2 the least root mean square of a parameter that counts
   * @param clipThreshold of the root mean square of an update
   * @param decayRate below 0, of the means of squared gradients
   * @param beta1 decay of a mean of updates; empty to keep none
   * @param weightDecay not below 0
   * @param scaleParameter whether the rate is scaled by the parameter
   * @param relativeStep whether the rate is one of the step
   * @param warmupInit whether that rate begins with 1e-6 and grows; needs {@code relativeStep}
   */
  public record Options(
      double learningRate,
      double eps1,
      double eps2,
      double clipThreshold,
      double decayRate,
      OptionalDouble beta1,
      double weightDecay,
      boolean scaleParameter,
      boolean relativeStep,
      boolean warmupInit) {
    /** Checks the ranges. */
    public Options {
      Ranges.notNegative("Adafactor", "learningRate", learningRate);
      Ranges.notNegative("Adafactor", "eps1", eps1);
      Ranges.notNegative("Adafactor", "eps2", eps2);
      Ranges.notNegative("Adafactor", "clipThreshold", clipThreshold);
      Ranges.notNegative("Adafactor", "weightDecay", weightDecay);
      if (warmupInit && !relativeStep) {
        throw new IllegalArgumentException("Adafactor: warmupInit needs relativeStep.");
      }
    }

    /** A rate of the step, scaled by the parameter. */
    public static Options defaults() {
      return new Options(0, 1e-30, 1e-3, 1, -0.8, OptionalDouble.empty(), 0, true, true, false);
    }

    /** As the Trainer has it: with this rate, not scaled. */
    public static Options of(double learningRate, double weightDecay) {
      return new Options(
          learningRate,
          1e-30,
          1e-3,
          1,
          -0.8,
          OptionalDouble.empty(),
          weightDecay,
          false,
          false,
          false);
    }
  }

  private static final String ROW = "exp_avg_sq_row";
  private static final String COLUMN = "exp_avg_sq_col";
  private static final String SQUARE = "exp_avg_sq";
  private static final String MEAN = "exp_avg";

  private final Options options;

  /** An optimizer of these parameters; their names are the keys of the state dict. */
  public Adafactor(Map<String, Parameter> parameters, Options options) {
    super(parameters, options.learningRate());
    this.options = options;
  }

  @Override
  Map<String, long[]> kept(Tensor parameter) {
    long[] sizes = parameter.shape().toArray();
    int rank = sizes.length;
    Map<String, long[]> kept = new LinkedHashMap<>();
    if (rank >= 2) {
      kept.put(ROW, without(sizes, rank - 1));
      kept.put(COLUMN, without(sizes, rank - 2));
    } else {
      kept.put(SQUARE, sizes);
    }
    if (options.beta1().isPresent()) {
      kept.put(MEAN, sizes);
    }
    return kept;
  }

  private static long[] without(long[] sizes, int dim) {
    long[] rest = new long[sizes.length - 1];
    System.arraycopy(sizes, 0, rest, 0, dim);
    System.arraycopy(sizes, dim + 1, rest, dim, rest.length - dim);
    return rest;
  }

  @Override
  void update(Tensor p, Tensor gradient, State state) {
    double decay = 1 - Math.pow(state.steps(), options.decayRate());
    Tensor square = gradient.mul(gradient).addInPlace(options.eps1());
    Tensor update;
    if (p.rank() >= 2) {
      Tensor row = average(state.get(ROW), mean(square, p.rank() - 1), decay);
      Tensor column = average(state.get(COLUMN), mean(square, p.rank() - 2), decay);
      Tensor rows = row.div(mean(row, row.rank() - 1).unsqueeze(-1)).sqrt().unsqueeze(-1);
      update = gradient.div(rows.mul(column.sqrt().unsqueeze(-2)));
    } else {
      update = gradient.div(average(state.get(SQUARE), square, decay).sqrt());
    }
    UnaryOperator<Tensor> timesRate = timesRate(p, state.steps());
    update = timesRate.apply(update.div(Ops.atLeast(rms(update).div(options.clipThreshold()), 1)));
    if (options.beta1().isPresent()) {
      double beta = options.beta1().getAsDouble();
      update = state.get(MEAN).mulInPlace(beta).addInPlace(update, 1 - beta);
    }
    if (options.weightDecay() != 0) {
      p.addInPlace(timesRate.apply(p), -options.weightDecay());
    }
    p.subInPlace(update, 1);
  }

  private static Tensor average(Tensor kept, Tensor present, double decay) {
    return kept.mulInPlace(decay).addInPlace(present, 1 - decay);
  }

  private static Tensor mean(Tensor x, int dim) {
    return x.sum((long) dim).div(x.size(dim));
  }

  private static Tensor rms(Tensor x) {
    return x.mul(x).sum().sqrt().div(Math.sqrt(x.numel()));
  }

  /** Multiplies with the rate of a step, which a parameter's size may scale. */
  private UnaryOperator<Tensor> timesRate(Tensor p, long step) {
    double rate =
        options.relativeStep()
            ? Math.min(options.warmupInit() ? 1e-6 * step : 1e-2, 1 / Math.sqrt(step))
            : learningRate();
    if (!options.scaleParameter()) {
      return x -> x.mul(rate);
    }
    Tensor scaled = Ops.atLeast(rms(p), options.eps2()).mul(rate);
    return x -> x.mul(scaled);
  }
}
