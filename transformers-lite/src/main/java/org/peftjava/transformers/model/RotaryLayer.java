package org.peftjava.transformers.model;

import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.StackLayer;

/** One layer of a {@link RotaryDecoder}. */
public abstract class RotaryLayer extends Module implements StackLayer<RotaryContext> {
  /** For subclasses. */
  protected RotaryLayer() {}

  /** {@code x + update}; in place where nobody looks back at the update. */
  protected static Tensor residual(Tensor update, Tensor x) {
    return GradMode.isEnabled() ? update.add(x) : update.addInPlace(x);
  }
}
