package org.peftjava.torch.optim;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;

/**
 * An optimizer that keeps tensors and a count of steps for each parameter. Parameters of 16 bits
 * are updated in float32.
 */
abstract class StatefulOptimizer implements Optimizer {
  private static final String STEP = "step";

  /** What is kept for one parameter. */
  static final class State {
    private final Map<String, Tensor> tensors = new LinkedHashMap<>();
    private long steps;

    /** A tensor by Python's name. */
    Tensor get(String name) {
      return Objects.requireNonNull(tensors.get(name), name);
    }

    /** Steps with the present one, from 1 on. */
    long steps() {
      return steps;
    }

    private void close() {
      tensors.values().forEach(Tensor::close);
    }
  }

  private final Map<String, Parameter> parameters;
  private final Map<String, State> states = new LinkedHashMap<>();
  private double learningRate;

  StatefulOptimizer(Map<String, Parameter> parameters, double learningRate) {
    this.parameters = new LinkedHashMap<>(parameters);
    this.learningRate = learningRate;
  }

  /** Names and sizes of what is kept for a parameter; zeros at first. */
  abstract Map<String, long[]> kept(Tensor parameter);

  /** Changes a parameter, float32 or wider, by its gradient of the same type. */
  abstract void update(Tensor parameter, Tensor gradient, State state);

  @Override
  public final void step() {
    try (GradMode off = GradMode.noGrad()) {
      parameters.forEach(
          (name, parameter) -> {
            try (TensorScope scope = TensorScope.open("optimizer step")) {
              Tensor p = parameter.tensor();
              p.grad().ifPresent(gradient -> step(name, p, gradient));
            }
          });
    }
  }

  private void step(String name, Tensor p, Tensor gradient) {
    State state = states.computeIfAbsent(name, key -> fresh(p));
    state.steps++;
    DType type = widened(p.dtype());
    Tensor wide = p.to(type);
    update(wide, gradient.to(type), state);
    if (type != p.dtype()) {
      p.copyInPlace(wide);
    }
  }

  private static DType widened(DType type) {
    return type == DType.FLOAT64 ? type : DType.FLOAT32;
  }

  private State fresh(Tensor p) {
    State state = new State();
    kept(p)
        .forEach(
            (name, sizes) ->
                state.tensors.put(
                    name, Creation.zeros(widened(p.dtype()), p.device(), sizes).escape()));
    return state;
  }

  @Override
  public final void zeroGrad() {
    parameters.values().forEach(Parameter::zeroGrad);
  }

  @Override
  public final double learningRate() {
    return learningRate;
  }

  @Override
  public final void learningRate(double rate) {
    learningRate = rate;
  }

  /** Names are {@code <parameter>.} and torch's, among them {@code .step} (an int64 scalar). */
  @Override
  public final Map<String, Tensor> stateDict() {
    Map<String, Tensor> result = new LinkedHashMap<>();
    states.forEach(
        (name, state) -> {
          state.tensors.forEach((key, tensor) -> result.put(name + "." + key, tensor));
          result.put(name + "." + STEP, Creation.ofLongs(new long[] {state.steps}, 1));
        });
    return result;
  }

  @Override
  public final void loadStateDict(Map<String, Tensor> saved) {
    parameters.forEach(
        (name, parameter) -> {
          Tensor steps = saved.get(name + "." + STEP);
          if (steps == null) {
            return;
          }
          try (TensorScope scope = TensorScope.open("optimizer state")) {
            State state = states.computeIfAbsent(name, key -> fresh(parameter.tensor()));
            state.tensors.forEach((key, tensor) -> load(name, key, tensor, saved));
            state.steps = steps.toLong();
          }
        });
  }

  private static void load(String name, String key, Tensor tensor, Map<String, Tensor> saved) {
    @Nullable Tensor value = saved.get(name + "." + key);
    if (value == null || !value.shape().equals(tensor.shape())) {
      throw new IllegalArgumentException(
          "The optimizer state of '"
              + name
              + "' has "
              + (value == null ? "no " + key : key + " " + value.shape())
              + ". Expected "
              + tensor.shape()
              + ". Is the checkpoint complete, and of the same optimizer?");
    }
    tensor.copyInPlace(value);
  }

  @Override
  public final void close() {
    states.values().forEach(State::close);
    states.clear();
  }
}
