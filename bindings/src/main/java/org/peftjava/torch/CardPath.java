package org.peftjava.torch;

import java.util.Optional;
import org.peftjava.torch.cuda.KernelLauncher;
import org.peftjava.torch.cuda.TrainingKernels;

/** Decides whether {@link TrainingKernels} can work on some tensors: not empty, on one card. */
public final class CardPath {
  static final CardTensors CARDS = new CardTensors(TrainingKernels::on);

  private CardPath() {}

  /** What starts kernels for all of these, which must be gapless; empty if nothing can. */
  public static Optional<KernelLauncher> gapless(Tensor first, Tensor... others) {
    return CARDS.gapless(first, others).filter(kernels -> first.numel() > 0);
  }

  /** The same for tensors whose elements may lie anywhere. */
  static Optional<KernelLauncher> anywhere(Tensor first, Tensor... others) {
    return CARDS.anywhere(first, others).filter(kernels -> first.numel() > 0);
  }
}
