package org.peftjava.transformers.model;

import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Module;

/** One layer of a {@link RotaryDecoder}. */
public abstract class RotaryLayer extends Module {
  /** For subclasses. */
  protected RotaryLayer() {}

  /** Returns the layer's output (b, t, e), owned by the current scope. */
  protected abstract Tensor forward(Tensor x, RotaryContext context);

  /** {@code x + update}; in place where nobody looks back at the update. */
  protected static Tensor residual(Tensor update, Tensor x) {
    return GradMode.isEnabled() ? update.add(x) : update.addInPlace(x);
  }
}
