package org.peftjava.transformers.model;

import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Activation;
import org.peftjava.torch.nn.Dropout;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;

/**
 * A feed-forward block without a gate: {@code out(act(in(x)))}.
 *
 * <p>Reference: {@code GPTNeoXMLP}, {@code PhiMLP}, {@code GPTJMLP}, {@code Starcoder2MLP}.
 */
public final class PlainMlp extends Module implements Layer {
  private final Slot<LinearLayer> in;
  private final Slot<LinearLayer> out;
  private final Slot<Layer> activation;
  private final @Nullable Dropout dropout;

  /**
   * What the parts are called.
   *
   * @param in the map to the inner size
   * @param out the map back
   * @param activation the nonlinearity
   * @param activationFirst whether it is registered before the maps
   * @param dropout that behind them, or null if the block has none
   */
  public record Names(
      String in,
      String out,
      String activation,
      boolean activationFirst,
      @Nullable String dropout) {}

  /**
   * A block without memory for its weights.
   *
   * @param bias whether both maps have one
   * @param dropout probability of the dropout, if the names have one
   */
  public PlainMlp(
      Names names,
      long hidden,
      long inner,
      boolean bias,
      Activation activation,
      double dropout,
      DType dtype) {
    Slot<Layer> first =
        names.activationFirst() ? child(names.activation(), Layer.class, activation) : null;
    in = child(names.in(), LinearLayer.class, new Linear(hidden, inner, bias, dtype));
    out = child(names.out(), LinearLayer.class, new Linear(inner, hidden, bias, dtype));
    this.activation = first != null ? first : child(names.activation(), Layer.class, activation);
    this.dropout = names.dropout() == null ? null : child(names.dropout(), new Dropout(dropout));
  }

  /** Applies the block to (b, t, e). */
  @Override
  public Tensor forward(Tensor x) {
    try (TensorScope scope = TensorScope.open("mlp")) {
      Tensor fed = out.get().forward(activation.get().forward(in.get().forward(x)));
      return scope.keep(dropout == null ? fed : dropout.forward(fed));
    }
  }
}
