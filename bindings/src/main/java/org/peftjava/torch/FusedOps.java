package org.peftjava.torch;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.BinaryOperator;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.cuda.KernelLauncher;
import org.peftjava.torch.cuda.LaunchGrid;
import org.peftjava.torch.kernels.ElementwiseKernel;
import org.peftjava.torch.kernels.RmsNormKernel;

/**
 * Operators of Llama's family that libtorch composes of several passes over memory, in one pass
 * forward and one backward, with gradients written by hand: on the CPU, and the gated product on
 * cards too. Elsewhere, and where the kernels are missing, they are composed.
 */
public final class FusedOps {
  private FusedOps() {}

  /**
   * Divides the last dimension by its root mean square, computed in float32, and scales it by
   * {@code weight}; what is scaled is first rounded to x's type, as transformers' {@code
   * LlamaRMSNorm}.
   *
   * @param x (..., d)
   * @param weight (d)
   */
  public static Tensor rmsNorm(Tensor x, Tensor weight, double eps) {
    return FastPath.covers(x, weight)
        ? fused(x, weight, eps, 0, true)
        : Ops.rmsNorm(x, weight, eps);
  }

  /** Whether {@link #rmsNorm} of these rounds as its text says; elsewhere it rounds once. */
  public static boolean coversRmsNorm(Tensor x, Tensor weight) {
    return FastPath.covers(x, weight);
  }

  /** The same with the scale {@code 1 + weight} and one rounding, as {@code Gemma2RMSNorm}. */
  public static Tensor rmsNormAroundOne(Tensor x, Tensor weight, double eps) {
    if (FastPath.covers(x, weight)) {
      return fused(x, weight, eps, 1, false);
    }
    try (TensorScope scope = TensorScope.open("rms norm")) {
      DType wide = x.dtype() == DType.FLOAT64 ? DType.FLOAT64 : DType.FLOAT32;
      Tensor scale = weight.to(wide).add(1);
      return scope.keep(Ops.rmsNorm(x.to(wide), scale, eps).to(x.dtype()));
    }
  }

  private static Tensor fused(
      Tensor x, Tensor weight, double eps, double offset, boolean roundFirst) {
    if (weight.rank() != 1 || weight.size(0) != x.size(-1)) {
      throw new TorchException.ShapeMismatch(
          "A norm of x "
              + x.shape()
              + " by a weight "
              + weight.shape()
              + " does not fit: expected x (..., d) and weight (d).");
    }
    long width = x.size(-1);
    long rows = x.numel() / width;
    Tensor y = Creation.empty(x.dtype(), Device.CPU, x.shape().toArray());
    boolean trainsX = GradMode.isEnabled() && x.requiresGrad();
    boolean trainsWeight = GradMode.isEnabled() && weight.requiresGrad();
    Tensor rstd = trainsX || trainsWeight ? Creation.empty(DType.FLOAT32, Device.CPU, rows) : null;
    RmsNormKernel.forward(
        FastPath.type(x),
        FastPath.type(weight),
        x.address(),
        weight.address(),
        y.address(),
        rstd == null ? 0 : rstd.address(),
        rows,
        width,
        eps,
        offset,
        roundFirst,
        FastPath.threads());
    if (rstd == null) {
      return y;
    }
    Tensor normed =
        CustomGradient.of(
            y,
            List.of(x, weight),
            List.of(x, weight, rstd),
            (gradient, saved) -> {
              Tensor g = gradient.contiguous();
              Tensor gx = trainsX ? like(saved.get(0)) : null;
              Tensor gWeight = trainsWeight ? like(saved.get(1)) : null;
              RmsNormKernel.backward(
                  FastPath.type(saved.get(0)),
                  FastPath.type(saved.get(1)),
                  g.address(),
                  saved.get(0).address(),
                  saved.get(1).address(),
                  saved.get(2).address(),
                  gx == null ? 0 : gx.address(),
                  gWeight == null ? 0 : gWeight.address(),
                  rows,
                  width,
                  offset,
                  roundFirst,
                  FastPath.threads());
              return Arrays.asList(gx, gWeight);
            });
    return recomputable(
        normed, List.of(x, weight), in -> fused(in.get(0), in.get(1), eps, offset, roundFirst));
  }

  /** {@code silu(gate) * up}, both (..., d): what a gated feed-forward block projects back. */
  public static Tensor siluProduct(Tensor gate, Tensor up) {
    boolean alike = gate.dtype() == up.dtype() && gate.shape().equals(up.shape());
    Optional<KernelLauncher> card = alike ? onCard(gate, up) : Optional.empty();
    Tensor y;
    if (card.isPresent()) {
      y = like(gate);
      launch(card.get(), "siluProduct", gate, up, y);
    } else if (alike && FastPath.covers(gate, up)) {
      y = like(gate);
      ElementwiseKernel.siluProduct(
          FastPath.type(gate),
          gate.address(),
          up.address(),
          y.address(),
          gate.numel(),
          FastPath.threads());
    } else {
      return product(gate, up, Ops::silu, Ops::siluGradient);
    }
    Tensor value =
        CustomGradient.of(y, List.of(gate, up), List.of(gate, up), FusedOps::siluProductGradients);
    return recomputable(value, List.of(gate, up), in -> siluProduct(in.get(0), in.get(1)));
  }

  private static List<@Nullable Tensor> siluProductGradients(Tensor gradient, List<Tensor> saved) {
    Tensor g = gradient.contiguous();
    Tensor gGate = like(saved.get(0));
    Tensor gUp = like(saved.get(1));
    Optional<KernelLauncher> card = onCard(g, saved.get(0), saved.get(1));
    if (card.isPresent()) {
      launch(card.get(), "siluProductGradient", g, saved.get(0), saved.get(1), gGate, gUp);
      return Arrays.asList(gGate, gUp);
    }
    ElementwiseKernel.siluProductGradient(
        FastPath.type(g),
        g.address(),
        saved.get(0).address(),
        saved.get(1).address(),
        gGate.address(),
        gUp.address(),
        g.numel(),
        FastPath.threads());
    return Arrays.asList(gGate, gUp);
  }

  private static Optional<KernelLauncher> onCard(Tensor first, Tensor... others) {
    return CardTensors.suffix(first.dtype()).flatMap(type -> CardPath.gapless(first, others));
  }

  /** Starts an elementwise kernel of tensors that are alike: eight elements a thread. */
  private static void launch(KernelLauncher kernels, String name, Tensor... tensors) {
    long[] arguments = new long[tensors.length + 1];
    Arrays.setAll(arguments, i -> i < tensors.length ? tensors[i].address() : tensors[0].numel());
    kernels.launch(
        name + CardTensors.suffix(tensors[0].dtype()).orElseThrow(),
        LaunchGrid.over(tensors[0].numel(), 8, 256),
        arguments);
  }

  /**
   * {@code gelu(gate) * up}, both (..., d).
   *
   * @param approximate as in {@link Ops#gelu}
   */
  public static Tensor geluProduct(Tensor gate, Tensor up, String approximate) {
    return product(
        gate,
        up,
        x -> Ops.gelu(x, approximate),
        (gradient, x) -> Ops.geluGradient(gradient, x, approximate));
  }

  /** {@code f(gate) * up}, of which only gate and up are kept for the backward pass. */
  private static Tensor product(
      Tensor gate, Tensor up, UnaryOperator<Tensor> f, BinaryOperator<Tensor> gradientOfF) {
    if (!GradMode.isEnabled() || gate.dtype() != up.dtype() || !gate.shape().equals(up.shape())) {
      return f.apply(gate).mul(up);
    }
    Tensor y;
    try (TensorScope scope = TensorScope.open("gated product");
        GradMode off = GradMode.noGrad()) {
      y = scope.keep(f.apply(gate.detach()).mulInPlace(up.detach()));
    }
    Tensor value =
        CustomGradient.of(
            y,
            List.of(gate, up),
            List.of(gate, up),
            (gradient, saved) ->
                Arrays.asList(
                    gradientOfF.apply(gradient.mul(saved.get(1)), saved.get(0)),
                    f.apply(saved.get(0)).mulInPlace(gradient)));
    return recomputable(value, List.of(gate, up), in -> f.apply(in.get(0)).mulInPlace(in.get(1)));
  }

  /**
   * Lets y, if it is needed in the backward pass, be computed again from its inputs, which are kept
   * there anyway.
   */
  static Tensor recomputable(
      Tensor y, List<Tensor> inputs, Function<List<Tensor>, Tensor> computation) {
    return y.requiresGrad() && y.recipe() == null
        ? y.recomputedBy(new Recipe(inputs, computation))
        : y;
  }

  private static Tensor like(Tensor x) {
    return Creation.empty(x.dtype(), x.device(), x.shape().toArray());
  }
}
