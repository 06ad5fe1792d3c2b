package org.peftjava.transformers.model;

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
 * A feed-forward block with a gate: {@code down(act(gate(x)) * up(x))}.
 *
 * <p>Paper: arXiv:2002.05202. Reference: {@code LlamaMLP}.
 */
public final class GatedMlp extends Module implements Layer {
  private final Slot<LinearLayer> gateProj;
  private final Slot<LinearLayer> upProj;
  private final Slot<LinearLayer> downProj;
  private final Slot<Layer> activation;

  /** A block without memory for its weights. */
  public GatedMlp(long hidden, long inner, boolean bias, Activation activation, DType dtype) {
    gateProj = child("gate_proj", LinearLayer.class, new Linear(hidden, inner, bias, dtype));
    upProj = child("up_proj", LinearLayer.class, new Linear(hidden, inner, bias, dtype));
    downProj = child("down_proj", LinearLayer.class, new Linear(inner, hidden, bias, dtype));
    this.activation = child("act_fn", Layer.class, activation);
  }

  /** Applies the block to (b, t, e). */
  @Override
  public Tensor forward(Tensor x) {
    try (TensorScope scope = TensorScope.open("mlp")) {
      Tensor gate = gateProj.get().forward(x);
      Tensor up = upProj.get().forward(x);
      Tensor inner = Activation.product(activation.get(), gate, up);
      return scope.keep(downProj.get().forward(inner));
    }
  }
}
