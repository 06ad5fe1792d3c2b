package org.peftjava.torch;

import java.util.Arrays;
import java.util.List;
import org.bytedeco.pytorch.global.torch;
import org.peftjava.torch.kernels.DropoutKernel;

/**
 * Dropout. On the CPU the mask is a function of a seed and the element's place, so the backward
 * pass draws it again instead of keeping it; elsewhere it is libtorch's. The two draw different
 * masks from one seed.
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
    if (!FastPath.covers(x)) {
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

  private static Tensor masked(Tensor x, double p, long seed) {
    Tensor result = Creation.empty(x.dtype(), Device.CPU, x.shape().toArray());
    mask(x, result, p, seed);
    return result;
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
