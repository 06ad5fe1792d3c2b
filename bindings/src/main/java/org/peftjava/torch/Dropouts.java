package org.peftjava.torch;

import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.global.torch;
import org.peftjava.torch.cuda.KernelLauncher;
import org.peftjava.torch.cuda.LaunchGrid;
import org.peftjava.torch.kernels.DropoutKernel;

/**
 * Dropout. Where our kernels work, on the CPU and on cards, the mask is a function of a seed and
 * the element's place, so the backward pass draws it again instead of keeping it; elsewhere it is
 * libtorch's. The two draw different masks from one seed.
 */
public final class Dropouts {
  private Dropouts() {}

  /**
   * Sets each element to zero with probability {@code p} and scales the others by {@code 1/(1-p)}.
   *
   * @param p in [0, 1); 0 returns x itself
   */
  public static Tensor dropout(Tensor x, double p) {
    if (p == 0) {
      return x;
    }
    if (!FastPath.covers(x) && !isOnCard(x)) {
      return Natives.op(() -> torch.dropout(x.handle(), p, true));
    }
    long seed = Randomness.nextMaskSeed();
    Tensor value = masked(x.detach(), p, seed);
    Tensor dropped =
        CustomGradient.of(
            value,
            List.of(x),
            List.of(),
            (gradient, saved) -> Arrays.asList(masked(gradient.contiguous(), p, seed)));
    return FusedOps.recomputable(dropped, List.of(x), in -> masked(in.get(0), p, seed));
  }

  private static boolean isOnCard(Tensor x) {
    return CardTensors.suffix(x.dtype()).isPresent() && CardPath.gapless(x).isPresent();
  }

  private static Tensor masked(Tensor x, double p, long seed) {
    Tensor result = Creation.empty(x.dtype(), x.device(), x.shape().toArray());
    CardPath.gapless(x)
        .ifPresentOrElse(
            kernels -> onCard(kernels, x, result, p, seed, 1 / (1 - p)),
            () -> mask(x, result, p, seed));
    return result;
  }

  /** An element is kept if its random word is at least this. */
  static long threshold(double p) {
    return Math.min((long) (p * 0x1p32 + 0.5), 0xFFFF_FFFFL);
  }

  /** Writes {@code x * mask * multiplier} into y, which may be x, on a card. */
  static void onCard(
      KernelLauncher kernels, Tensor x, Tensor y, double p, long seed, double multiplier) {
    kernels.launch(
        "dropout" + CardTensors.suffix(x.dtype()).orElseThrow(),
        LaunchGrid.over(x.numel(), 4, 256),
        x.address(),
        y.address(),
        x.numel(),
        seed,
        threshold(p),
        KernelLauncher.argument(multiplier));
  }

  /**
   * Writes {@code x * mask / (1-p)} into y, converting the type on the way; p = 0 only converts.
   * Both are covered by the fast path and have equally many elements. A mask is its own derivative,
   * so the backward pass calls this too.
   */
  static void mask(Tensor x, Tensor y, double p, long seed) {
    DropoutKernel.forward(
        FastPath.type(x),
        x.address(),
        FastPath.type(y),
        y.address(),
        x.numel(),
        p,
        seed,
        0,
        FastPath.threads());
  }
}
