package org.peftjava.torch.optim;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;

/**
 * Adam with decoupled weight decay: {@code torch.optim.AdamW} without amsgrad, in its order of
 * operations.
 *
 * <p>{@code p -= lr*wd*p; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; p -= lr/(1-b1^t) * m /
 * (sqrt(v)/sqrt(1-b2^t) + eps)}. The state is float32 or the parameter's type, and each parameter
 * counts its own steps. Paper: arXiv:1711.05101.
 */
public final class AdamW implements Optimizer {
  /**
   * The options, with torch's defaults in {@link #defaults}.
   *
   * @param learningRate above 0
   * @param beta1 in [0, 1), decay of the mean of gradients
   * @param beta2 in [0, 1), decay of the mean of squared gradients
   * @param eps added to the denominator
   * @param weightDecay not below 0
   */
  public record Options(
      double learningRate, double beta1, double beta2, double eps, double weightDecay) {
    /** Checks the ranges. */
    public Options {
      check(learningRate >= 0, "learningRate must not be negative", learningRate);
      check(beta1 >= 0 && beta1 < 1, "beta1 must be in [0, 1)", beta1);
      check(beta2 >= 0 && beta2 < 1, "beta2 must be in [0, 1)", beta2);
      check(eps >= 0, "eps must not be negative", eps);
      check(weightDecay >= 0, "weightDecay must not be negative", weightDecay);
    }

    /** torch's defaults: lr 1e-3, betas 0.9 and 0.999, eps 1e-8, weight decay 0.01. */
    public static Options defaults() {
      return of(1e-3);
    }

    /** torch's defaults with another learning rate. */
    public static Options of(double learningRate) {
      return new Options(learningRate, 0.9, 0.999, 1e-8, 0.01);
    }

    private static void check(boolean ok, String rule, double value) {
      if (!ok) {
        throw new IllegalArgumentException("AdamW: " + rule + ", got " + value + ".");
      }
    }
  }

  /** Two ways to count weight decay and eps. */
  public enum Form {
    /** torch's. */
    TORCH,
    /**
     * That of transformers' former AdamW, which PEFT's LoRA-FA has: eps is added to the root before
     * its bias is corrected, and weights decay after the update.
     */
    TRANSFORMERS
  }

  private static final class State {
    private final Tensor mean;
    private final Tensor square;
    private long steps;

    State(Tensor mean, Tensor square) {
      this.mean = mean;
      this.square = square;
    }
  }

  private final Map<String, Parameter> parameters;
  private final Map<String, State> states = new LinkedHashMap<>();
  private final Options options;
  private final Form form;
  private double learningRate;

  /** An optimizer of these parameters; their names are the keys of the state dict. */
  public AdamW(Map<String, Parameter> parameters, Options options) {
    this(parameters, options, Form.TORCH);
  }

  /** The same in another form. */
  public AdamW(Map<String, Parameter> parameters, Options options, Form form) {
    this.form = form;
    this.parameters = new LinkedHashMap<>(parameters);
    this.options = options;
    learningRate = options.learningRate();
  }

  @Override
  public void step() {
    try (TensorScope scope = TensorScope.open("adamw");
        GradMode off = GradMode.noGrad()) {
      states.forEach((name, state) -> checkFits(name, state.mean));
      CardOptimizer.Step cards = new CardOptimizer.Step(options, learningRate);
      Map<Long, FusedAdamW> fused = new LinkedHashMap<>();
      parameters.forEach(
          (name, parameter) ->
              parameter
                  .tensor()
                  .grad()
                  .ifPresent(g -> step(name, parameter.tensor(), g, cards, fused)));
      cards.run();
      fused.forEach((step, update) -> update.run(options, learningRate, step));
    }
  }

  /** The kernel writes as many moments as the parameter has numbers. */
  private void checkFits(String name, Tensor moments) {
    Tensor p = Objects.requireNonNull(parameters.get(name), name).tensor();
    if (moments.numel() != p.numel()
        || moments.dtype() != p.dtype()
        || !moments.device().equals(p.device())) {
      throw new IllegalStateException(
          "Parameter '"
              + name
              + "' is "
              + p
              + " on "
              + p.device()
              + " now, but its optimizer state is "
              + moments
              + " on "
              + moments.device()
              + ". Make a new optimizer after a change of a model's type, device or vocabulary.");
    }
  }

  /**
   * Updates one parameter, or leaves it to a kernel that updates many parameters in one call: all
   * of a card, or those of one step count.
   */
  private void step(
      String name,
      Tensor p,
      Tensor gradient,
      CardOptimizer.Step cards,
      Map<Long, FusedAdamW> fused) {
    State state = states.computeIfAbsent(name, key -> freshState(p));
    state.steps++;
    if (form == Form.TORCH && cards.add(p, gradient, state.mean, state.square, state.steps)) {
      return;
    }
    if (form == Form.TORCH && FusedAdamW.covers(p, gradient)) {
      fused
          .computeIfAbsent(state.steps, key -> new FusedAdamW())
          .add(p, gradient, state.mean, state.square);
    } else {
      update(p, gradient, state);
    }
  }

  private void update(Tensor p, Tensor gradient, State state) {
    if (form == Form.TORCH) {
      decay(p);
    }
    state.mean.lerpInPlace(gradient, 1 - options.beta1());
    state
        .square
        .mulInPlace(options.beta2())
        .addcmulInPlace(gradient, gradient, 1 - options.beta2());
    double correction1 = 1 - Math.pow(options.beta1(), state.steps);
    double correction2 = 1 - Math.pow(options.beta2(), state.steps);
    double root = Math.sqrt(correction2);
    Tensor denominator = state.square.sqrt();
    if (form == Form.TRANSFORMERS) {
      denominator.addInPlace(options.eps());
      p.addcdivInPlace(state.mean, denominator, -learningRate * root / correction1);
      decay(p);
    } else {
      denominator.divInPlace(root).addInPlace(options.eps());
      p.addcdivInPlace(state.mean, denominator, -learningRate / correction1);
    }
  }

  private void decay(Tensor p) {
    if (options.weightDecay() != 0) {
      p.mulInPlace(1 - learningRate * options.weightDecay());
    }
  }

  private static State freshState(Tensor p) {
    long[] sizes = p.shape().toArray();
    return new State(
        Creation.zeros(p.dtype(), p.device(), sizes).escape(),
        Creation.zeros(p.dtype(), p.device(), sizes).escape());
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

  /**
   * Names are {@code <parameter>.exp_avg}, {@code .exp_avg_sq} and {@code .step} (an int64 scalar).
   */
  @Override
  public Map<String, Tensor> stateDict() {
    Map<String, Tensor> result = new LinkedHashMap<>();
    states.forEach(
        (name, state) -> {
          result.put(name + ".exp_avg", state.mean);
          result.put(name + ".exp_avg_sq", state.square);
          result.put(name + ".step", Creation.ofLongs(new long[] {state.steps}, 1));
        });
    return result;
  }

  @Override
  public void loadStateDict(Map<String, Tensor> saved) {
    parameters.forEach(
        (name, parameter) -> {
          Tensor mean = saved.get(name + ".exp_avg");
          Tensor square = saved.get(name + ".exp_avg_sq");
          Tensor step = saved.get(name + ".step");
          if (mean == null && square == null && step == null) {
            return;
          }
          try (TensorScope scope = TensorScope.open("optimizer state")) {
            State state = states.computeIfAbsent(name, key -> freshState(parameter.tensor()));
            state.mean.copyInPlace(present(mean, name, "exp_avg"));
            state.square.copyInPlace(present(square, name, "exp_avg_sq"));
            state.steps = present(step, name, "step").toLong();
          }
        });
  }

  private static Tensor present(@Nullable Tensor tensor, String name, String part) {
    if (tensor == null) {
      throw new IllegalArgumentException(
          "The optimizer state of '" + name + "' has no " + part + ". Is the checkpoint complete?");
    }
    return tensor;
  }

  @Override
  public void close() {
    for (State state : states.values()) {
      state.mean.close();
      state.square.close();
    }
    states.clear();
  }
}
