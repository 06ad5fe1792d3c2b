package org.peftjava.transformers.model;

import org.peftjava.torch.DType;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.LayerNorm;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;

/**
 * The end of a block with its norm after the residual connection: {@code norm(dropout(dense(x)) +
 * residual)}.
 *
 * <p>Reference: {@code BertSelfOutput}, {@code BertOutput}, {@code DebertaV2Output}.
 */
public final class ResidualNorm extends Module {
  private final Slot<LinearLayer> dense;
  private final Slot<Layer> norm;
  private final double dropout;

  /** A block without memory for its weights; {@code in} is the length of what the map takes. */
  public ResidualNorm(long in, EncoderConfig config, DType dtype) {
    long size = config.hiddenSize();
    dropout = config.hiddenDropoutProb();
    dense = child("dense", LinearLayer.class, new Linear(in, size, true, dtype));
    norm = child("LayerNorm", Layer.class, new LayerNorm(size, config.layerNormEps(), dtype));
  }

  /** Returns (b, t, e) for x (b, t, in) and the block's input (b, t, e). */
  public Tensor forward(Tensor x, Tensor residual) {
    try (TensorScope scope = TensorScope.open("output")) {
      Tensor update = dense.get().forward(x);
      return scope.keep(norm.get().forward(add(update, residual, isTraining() ? dropout : 0)));
    }
  }

  /** {@code dropout(update) + residual}; in place where nobody looks back at the update. */
  static Tensor add(Tensor update, Tensor residual, double dropout) {
    if (dropout > 0) {
      return Dropouts.dropout(update, dropout).add(residual);
    }
    return GradMode.isEnabled() ? update.add(residual) : update.addInPlace(residual);
  }
}
