package org.peftjava.it;

import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.LayerNorm;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;

/**
 * A module of a user's own, which is none of this library's architectures: docs/custom-models.md.
 */
final class PriceModel extends Module {
  private final Slot<LinearLayer> hidden =
      child("hidden", LinearLayer.class, new Linear(8, 16, true, DType.FLOAT32));
  private final Slot<Layer> norm =
      child("norm", Layer.class, new LayerNorm(16, 1e-5, DType.FLOAT32));
  private final Slot<LinearLayer> price =
      child("price", LinearLayer.class, new Linear(16, 1, true, DType.FLOAT32));

  /** Maps features (b, 8) to prices (b, 1). */
  Tensor forward(Tensor features) {
    try (TensorScope scope = TensorScope.open("price model")) {
      Tensor h = norm.get().forward(Ops.relu(hidden.get().forward(features)));
      return scope.keep(price.get().forward(h));
    }
  }
}
