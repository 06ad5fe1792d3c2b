package org.peftjava.quant.bnb;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Device;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.cuda.ManagedAllocator;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.torch.optim.Optimizer;

/**
 * What bitsandbytes' AdamW optimizers share: they differ in where their state is, and in its bits.
 */
abstract class BlockwiseAdamW implements Optimizer {
  /** A state that is on the device of its parameter, whatever that is. */
  static final Function<Device, Optional<ManagedAllocator>> ON_DEVICE = device -> Optional.empty();

  /** A card's state may leave it; there is nowhere to go from the CPU. */
  static final Function<Device, Optional<ManagedAllocator>> PAGED =
      device -> device.isCuda() ? ManagedAllocator.on(device.index()) : Optional.empty();

  private final Map<String, Parameter> parameters;
  private final Map<String, MomentState> states = new LinkedHashMap<>();
  private final AdamW.Options options;
  private final Set<String> wide;
  private final Function<Device, Optional<ManagedAllocator>> pages;
  private final boolean portable;
  private double learningRate;

  /**
   * An optimizer of these parameters.
   *
   * @param wide names of parameters with a float32 state
   * @param pages where large states of a device can be paged; empty for nowhere
   * @param portable whether it works on libtorch's operators even where there are native kernels
   */
  BlockwiseAdamW(
      Map<String, Parameter> parameters,
      AdamW.Options options,
      Set<String> wide,
      Function<Device, Optional<ManagedAllocator>> pages,
      boolean portable) {
    this.parameters = new LinkedHashMap<>(parameters);
    this.options = options;
    this.wide = Set.copyOf(wide);
    this.pages = pages;
    this.portable = portable;
    learningRate = options.learningRate();
  }

  @Override
  public final void step() {
    try (TensorScope scope = TensorScope.open("adamw 8-bit");
        GradMode off = GradMode.noGrad()) {
      List<Change> changes = new ArrayList<>();
      parameters.forEach(
          (name, parameter) ->
              parameter
                  .tensor()
                  .grad()
                  .ifPresent(
                      gradient ->
                          changes.add(
                              new Change(parameter.tensor(), gradient, state(name, parameter)))));
      // all states are there now: where there is no memory for one, nothing has changed
      changes.forEach(Change::check);
      CudaAdamW cards = new CudaAdamW(options, learningRate);
      NativeAdamW8bit kernel = new NativeAdamW8bit();
      changes.forEach(change -> step(change, cards, kernel));
      cards.run();
      kernel.run(options, learningRate);
    }
  }

  /** What one parameter's update is made of. */
  private record Change(Tensor parameter, Tensor gradient, MomentState state) {
    void check() {
      if (!state.fits(parameter)) {
        throw new IllegalStateException(
            "A parameter is "
                + parameter
                + " on "
                + parameter.device()
                + " now, but its optimizer state was made for another size or device. Make a new"
                + " optimizer after a change of a model's device or vocabulary.");
      }
    }
  }

  /**
   * Updates one parameter, or leaves it to a kernel that updates all in one call. Paged states are
   * not left: those of later parameters may need the room of this one's.
   */
  private void step(Change change, CudaAdamW cards, NativeAdamW8bit kernel) {
    MomentState state = change.state();
    boolean paged = state.prefetch();
    state.step();
    if (!portable) {
      CudaAdamW together = paged ? new CudaAdamW(options, learningRate) : cards;
      if (together.add(change.parameter(), change.gradient(), state)) {
        if (paged) {
          together.run();
        }
        return;
      }
      if (kernel.add(change.parameter(), change.gradient(), state)) {
        return;
      }
    }
    Tensor p = change.parameter().detach().reshape(-1);
    Tensor g = change.gradient().detach().reshape(-1);
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
                parameter.numel() >= AdamW8bit.MIN_8BIT_SIZE && !wide.contains(name),
                pages));
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

  /**
   * Names are those of bitsandbytes below each parameter's: {@code state1}, {@code state2}, for
   * codes {@code absmax1}, {@code absmax2}, and {@code step} (an int64 scalar). What is paged is
   * copied to the host, into the present scope.
   */
  @Override
  public final Map<String, Tensor> stateDict() {
    Map<String, Tensor> result = new LinkedHashMap<>();
    states.forEach(
        (name, state) -> {
          state.saved().forEach((part, tensor) -> result.put(name + "." + part, tensor));
          result.put(name + ".step", Creation.ofLongs(new long[] {state.steps()}, 1));
        });
    return result;
  }

  @Override
  public final void loadStateDict(Map<String, Tensor> saved) {
    try (TensorScope scope = TensorScope.open("optimizer state")) {
      Map<String, MomentState> loaded = new LinkedHashMap<>();
      parameters.forEach(
          (name, parameter) -> {
            if (saved.keySet().stream().anyMatch(key -> key.startsWith(name + "."))) {
              loaded.put(name, state(name, parameter));
            }
          });
      loaded.forEach((name, state) -> check(saved, name, state)); // nothing has changed before
      loaded.forEach(
          (name, state) -> {
            state
                .tensors()
                .forEach((part, tensor) -> tensor.copyInPlace(present(saved, name, part, tensor)));
            state.steps(present(saved, name, "step", null).toLong());
          });
    }
  }

  private static void check(Map<String, Tensor> saved, String name, MomentState state) {
    present(saved, name, "step", null);
    state
        .tensors()
        .forEach(
            (part, tensor) -> {
              Tensor given = present(saved, name, part, tensor);
              if (part.startsWith("absmax")) {
                MomentState.checkScales(name, given);
              }
            });
  }

  private static Tensor present(
      Map<String, Tensor> saved, String name, String part, @Nullable Tensor like) {
    Tensor tensor = saved.get(name + "." + part);
    if (tensor == null
        || (like != null
            && (!like.shape().equals(tensor.shape()) || like.dtype() != tensor.dtype()))) {
      throw new IllegalArgumentException(
          "The optimizer state of '"
              + name
              + "' has "
              + (tensor == null ? "no " + part : part + " of " + tensor.dtype() + tensor.shape())
              + ". Expected "
              + (like == null ? "it" : like.dtype() + "" + like.shape())
              + ". Was the checkpoint written by another optimizer?");
    }
    return tensor;
  }

  @Override
  public final void close() {
    states.values().forEach(MomentState::close);
    states.clear();
  }
}
