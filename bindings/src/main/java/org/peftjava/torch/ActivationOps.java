package org.peftjava.torch;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.global.torch;

/** Nonlinearities beyond the usual ones of {@link Ops}, each with libtorch's gradient. */
public final class ActivationOps {
  private ActivationOps() {}

  /** The error function. */
  public static Tensor erf(Tensor x) {
    return Natives.op(() -> torch.erf(x.handle()));
  }

  /** {@code x * tanh(log(1 + exp(x)))}. */
  public static Tensor mish(Tensor x) {
    return Natives.op(() -> torch.mish(x.handle()));
  }

  /** {@code log(1 + exp(x))}. */
  public static Tensor softplus(Tensor x) {
    return Natives.op(() -> torch.softplus(x.handle()));
  }

  /** {@code x * min(max(x + 3, 0), 6) / 6}. */
  public static Tensor hardswish(Tensor x) {
    return Natives.op(() -> torch.hardswish(x.handle()));
  }

  /** {@code x} above 0, else {@code x / 100}. */
  public static Tensor leakyRelu(Tensor x) {
    return Natives.op(() -> torch.leaky_relu(x.handle()));
  }

  /** {@code min(max(x, low), high)}. */
  public static Tensor clamp(Tensor x, double low, double high) {
    Scalar least = Natives.scalar(low);
    return Natives.op(() -> torch.hardtanh(x.handle(), least, Natives.scalar(high)));
  }
}
