package org.peftjava.transformers.model.phi3;

import java.util.List;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Activation;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;

/**
 * A feed-forward block whose gate comes from the same product as what passes it.
 *
 * <p>Reference: {@code Phi3MLP}.
 */
final class FusedMlp extends Module implements Layer {
  private final Slot<LinearLayer> gateUpProj;
  private final Slot<LinearLayer> downProj;
  private final Slot<Layer> activation;

  FusedMlp(Phi3Config config, DType dtype) {
    long hidden = config.hiddenSize();
    long inner = config.intermediateSize();
    gateUpProj =
        child("gate_up_proj", LinearLayer.class, new Linear(hidden, 2 * inner, false, dtype));
    downProj = child("down_proj", LinearLayer.class, new Linear(inner, hidden, false, dtype));
    activation =
        child("activation_fn", Layer.class, Activation.of(config.hiddenAct(), "hidden_act"));
  }

  /** Applies the block to (b, t, e). */
  @Override
  public Tensor forward(Tensor x) {
    try (TensorScope scope = TensorScope.open("mlp")) {
      List<Tensor> parts = gateUpProj.get().forward(x).chunk(2, -1);
      Tensor inner = Activation.product(activation.get(), parts.get(0), parts.get(1));
      return scope.keep(downProj.get().forward(inner));
    }
  }
}
