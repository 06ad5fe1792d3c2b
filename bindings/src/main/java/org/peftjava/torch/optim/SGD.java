package org.peftjava.torch.optim;

import java.util.LinkedHashMap;
import java.util.Map;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;

/**
 * Stochastic gradient descent with momentum: {@code torch.optim.SGD}, in its order of operations.
 *
 * <p>{@code g += wd*p; m = mu m + (1-dampening) g} (the first step sets {@code m = g}); {@code p -=
 * lr * m}, or {@code p -= lr * (g + mu m)} with Nesterov momentum. Weight decay is part of the
 * gradient here, not decoupled as in {@link AdamW}.
 */
public final class SGD implements Optimizer {
  private static final String MOMENTUM = ".momentum_buffer";

  /**
   * The options, with torch's defaults in {@link #of}.
   *
   * @param learningRate not below 0
   * @param momentum not below 0; 0 keeps no state
   * @param dampening of the gradient that enters the momentum
   * @param weightDecay not below 0
   * @param nesterov whether to look ahead along the momentum; needs momentum and no dampening
   */
  public record Options(
      double learningRate,
      double momentum,
      double dampening,
      double weightDecay,
      boolean nesterov) {
    /** Checks the ranges. */
    public Options {
      check(learningRate >= 0, "learningRate must not be negative, got " + learningRate);
      check(momentum >= 0, "momentum must not be negative, got " + momentum);
      check(weightDecay >= 0, "weightDecay must not be negative, got " + weightDecay);
      check(
          !nesterov || (momentum > 0 && dampening == 0),
          "nesterov needs momentum above 0 and dampening 0, got momentum "
              + momentum
              + " and dampening "
              + dampening);
    }

    /** Plain gradient descent: no momentum, no weight decay. */
    public static Options of(double learningRate) {
      return new Options(learningRate, 0, 0, 0, false);
    }

    private static void check(boolean ok, String rule) {
      if (!ok) {
        throw new IllegalArgumentException("SGD: " + rule + ".");
      }
    }
  }

  private final Map<String, Parameter> parameters;
  private final Map<String, Tensor> momenta = new LinkedHashMap<>();
  private final Options options;
  private double learningRate;

  /** An optimizer of these parameters; their names are the keys of the state dict. */
  public SGD(Map<String, Parameter> parameters, Options options) {
    this.parameters = new LinkedHashMap<>(parameters);
    this.options = options;
    learningRate = options.learningRate();
  }

  @Override
  public void step() {
    try (GradMode off = GradMode.noGrad()) {
      parameters.forEach(
          (name, parameter) -> {
            try (TensorScope scope = TensorScope.open("sgd")) {
              parameter.tensor().grad().ifPresent(g -> update(name, parameter.tensor(), g));
            }
          });
    }
  }

  private void update(String name, Tensor p, Tensor gradient) {
    Tensor g = options.weightDecay() == 0 ? gradient : gradient.add(p, options.weightDecay());
    if (options.momentum() == 0) {
      p.subInPlace(g, learningRate);
      return;
    }
    Tensor momentum = momenta.get(name);
    if (momentum == null) {
      momentum = g.detach().copy().escape();
      momenta.put(name, momentum);
    } else {
      momentum.mulInPlace(options.momentum()).addInPlace(g, 1 - options.dampening());
    }
    p.subInPlace(options.nesterov() ? g.add(momentum, options.momentum()) : momentum, learningRate);
  }

  @Override
  public void zeroGrad() {
    parameters.values().forEach(Parameter::zeroGrad);
  }

  @Override
  public double learningRate() {
    return learningRate;
  }

  @Override
  public void learningRate(double rate) {
    learningRate = rate;
  }

  /** Names are {@code <parameter>.momentum_buffer}. */
  @Override
  public Map<String, Tensor> stateDict() {
    Map<String, Tensor> result = new LinkedHashMap<>();
    momenta.forEach((name, momentum) -> result.put(name + MOMENTUM, momentum));
    return result;
  }

  @Override
  public void loadStateDict(Map<String, Tensor> saved) {
    close();
    parameters.forEach(
        (name, parameter) -> {
          Tensor momentum = saved.get(name + MOMENTUM);
          if (momentum != null) {
            try (TensorScope scope = TensorScope.open("optimizer state")) {
              Tensor here = momentum.to(parameter.tensor().device());
              momenta.put(name, here.to(parameter.dtype()).copy().escape());
            }
          }
        });
  }

  @Override
  public void close() {
    momenta.values().forEach(Tensor::close);
    momenta.clear();
  }
}
