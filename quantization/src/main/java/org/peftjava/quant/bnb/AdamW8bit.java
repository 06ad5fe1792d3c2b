package org.peftjava.quant.bnb;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.torch.optim.Optimizer;

/**
 * AdamW with a state of two bytes a number in place of eight: both moments are kept in 8-bit codes,
 * with a scale for each 256 numbers.
 *
 * <p>{@code m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; p += -lr sqrt(1-b2^t)/(1-b1^t) * m /
 * (sqrt(v) + sqrt(1-b2^t) eps); p *= 1 - lr*wd}, in float32, from codes and back. A number whose
 * squared gradient is not finite stays as it is and forgets its moments. A v above 0 never gets the
 * code of 0, unlike in bitsandbytes' CUDA kernels: steps would leap. Small parameters, and those
 * that are named so, have a float32 state.
 *
 * <p>Paper: arXiv:2110.02861. Reference: {@code bitsandbytes.optim.AdamW8bit} and its kernels
 * {@code kOptimizerStatic8bit2StateBlockwise}, {@code kOptimizer32bit2State}; golden/adamw8bit.
 */
public final class AdamW8bit implements Optimizer {
  /** Parameters with fewer numbers have a float32 state: {@code min_8bit_size}. */
  public static final long MIN_8BIT_SIZE = 4096;

  private final Map<String, Parameter> parameters;
  private final Map<String, MomentState> states = new LinkedHashMap<>();
  private final AdamW.Options options;
  private final Set<String> wide;
  private final boolean portable;
  private double learningRate;

  /**
   * An optimizer of these parameters.
   *
   * @param parameters their names are the keys of the state dict
   * @param wide names of parameters with a float32 state; transformers has token embeddings so
   */
  public AdamW8bit(Map<String, Parameter> parameters, AdamW.Options options, Set<String> wide) {
    this(parameters, options, wide, false);
  }

  /** The same, on libtorch's operators even where there are native kernels. */
  AdamW8bit(
      Map<String, Parameter> parameters,
      AdamW.Options options,
      Set<String> wide,
      boolean portable) {
    this.parameters = new LinkedHashMap<>(parameters);
    this.options = options;
    this.wide = Set.copyOf(wide);
    this.portable = portable;
    learningRate = options.learningRate();
  }

  @Override
  public void step() {
    try (TensorScope scope = TensorScope.open("adamw 8-bit");
        GradMode off = GradMode.noGrad()) {
      NativeAdamW8bit kernel = new NativeAdamW8bit();
      parameters.forEach(
          (name, parameter) ->
              parameter
                  .tensor()
                  .grad()
                  .ifPresent(
                      gradient -> step(state(name, parameter), parameter, gradient, kernel)));
      kernel.run(options, learningRate);
    }
  }

  /** Updates one parameter, or leaves it to a kernel that updates all in one call. */
  private void step(
      MomentState state, Parameter parameter, Tensor gradient, NativeAdamW8bit kernel) {
    if (!state.fits(parameter.tensor())) {
      throw new IllegalStateException(
          "A parameter is "
              + parameter.tensor()
              + " on "
              + parameter.tensor().device()
              + " now, but its optimizer state was made for another size or device. Make a new"
              + " optimizer after a change of a model's device or vocabulary.");
    }
    state.step();
    Tensor p = parameter.tensor().detach().reshape(-1);
    Tensor g = gradient.detach().reshape(-1);
    if (!portable
        && (CudaAdamW.step(p, g, state, options, learningRate) || kernel.add(p, g, state))) {
      return;
    }
    for (long start = 0; start < p.numel(); start += MomentState.BAND) {
      try (TensorScope scope = TensorScope.open("band")) {
        long length = Math.min(MomentState.BAND, p.numel() - start);
        update(p.narrow(0, start, length), g.narrow(0, start, length), state, start);
      }
    }
  }

  private void update(Tensor p, Tensor gradient, MomentState state, long start) {
    MomentState.Moments moments = state.read(start, p.numel());
    Tensor g = gradient.to(moments.mean().dtype());
    Tensor mean = moments.mean().mul(options.beta1()).addInPlace(g, 1 - options.beta1());
    Tensor square = moments.square().mul(options.beta2()).addcmulInPlace(g, g, 1 - options.beta2());
    double correction1 = 1 - Math.pow(options.beta1(), state.steps());
    double correction2 = Math.sqrt(1 - Math.pow(options.beta2(), state.steps()));
    Tensor denominator = square.sqrt().addInPlace(correction2 * options.eps());
    Tensor changed =
        p.to(mean.dtype())
            .copy()
            .addcdivInPlace(mean, denominator, -learningRate * correction2 / correction1);
    if (options.weightDecay() != 0) {
      changed.mulInPlace(1 - learningRate * options.weightDecay());
    }
    Tensor size = g.mul(g);
    if (!size.isFinite()) {
      Tensor broken = size.lt(Double.POSITIVE_INFINITY).not();
      mean = mean.maskedFill(broken, 0);
      square = square.maskedFill(broken, 0);
      changed = Ops.where(broken, p.to(changed.dtype()), changed);
    }
    p.copyInPlace(changed);
    state.write(start, mean, square);
  }

  private MomentState state(String name, Parameter parameter) {
    return states.computeIfAbsent(
        name,
        key ->
            new MomentState(
                parameter.numel(),
                parameter.tensor().device(),
                parameter.numel() >= MIN_8BIT_SIZE && !wide.contains(name)));
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
   * Names are those of bitsandbytes below each parameter's: {@code state1}, {@code state2}, for
   * codes {@code absmax1}, {@code absmax2}, and {@code step} (an int64 scalar).
   */
  @Override
  public Map<String, Tensor> stateDict() {
    Map<String, Tensor> result = new LinkedHashMap<>();
    states.forEach(
        (name, state) -> {
          state.tensors().forEach((part, tensor) -> result.put(name + "." + part, tensor));
          result.put(name + ".step", Creation.ofLongs(new long[] {state.steps()}, 1));
        });
    return result;
  }

  @Override
  public void loadStateDict(Map<String, Tensor> saved) {
    parameters.forEach(
        (name, parameter) -> {
          if (saved.keySet().stream().noneMatch(key -> key.startsWith(name + "."))) {
            return;
          }
          try (TensorScope scope = TensorScope.open("optimizer state")) {
            MomentState state = state(name, parameter);
            state
                .tensors()
                .forEach((part, tensor) -> tensor.copyInPlace(present(saved, name, part, tensor)));
            state.steps(present(saved, name, "step", null).toLong());
            state.checkScales(name);
          }
        });
  }

  private static Tensor present(
      Map<String, Tensor> saved, String name, String part, @Nullable Tensor like) {
    Tensor tensor = saved.get(name + "." + part);
    if (tensor == null || (like != null && !like.shape().equals(tensor.shape()))) {
      throw new IllegalArgumentException(
          "The optimizer state of '"
              + name
              + "' has "
              + (tensor == null ? "no " + part : part + " of shape " + tensor.shape())
              + ". Expected "
              + (like == null ? "it" : "shape " + like.shape())
              + ". Was the checkpoint written by another optimizer?");
    }
    return tensor;
  }

  @Override
  public void close() {
    states.values().forEach(MomentState::close);
    states.clear();
  }
}
