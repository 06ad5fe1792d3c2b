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
 * The first half of an encoder's feed-forward block: {@code act(dense(x))}.
 *
 * <p>Reference: {@code BertIntermediate}, {@code DebertaV2Intermediate}.
 */
public final class Intermediate extends Module {
  private final Slot<LinearLayer> dense;
  private final Slot<Layer> activation;

  /** A block without memory for its weights. */
  public Intermediate(EncoderConfig config, DType dtype) {
    dense =
        child(
            "dense",
            LinearLayer.class,
            new Linear(config.hiddenSize(), config.intermediateSize(), true, dtype));
    activation =
        child("intermediate_act_fn", Layer.class, Activation.of(config.hiddenAct(), "hidden_act"));
  }

  /** Hidden states (b, t, e) to the inner ones (b, t, f). */
  public Tensor forward(Tensor x) {
    try (TensorScope scope = TensorScope.open("intermediate")) {
      return scope.keep(activation.get().forward(dense.get().forward(x)));
    }
  }
}
