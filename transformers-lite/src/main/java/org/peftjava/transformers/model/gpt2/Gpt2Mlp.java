package org.peftjava.transformers.model.gpt2;

import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Activation;
import org.peftjava.torch.nn.Conv1D;
import org.peftjava.torch.nn.Dropout;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;

/** The feed-forward block. Reference: {@code GPT2MLP}. */
final class Gpt2Mlp extends Module implements Layer {
  private final Slot<LinearLayer> cFc;
  private final Slot<LinearLayer> cProj;
  private final Slot<Layer> act;
  private final Dropout dropout;

  Gpt2Mlp(Gpt2Config config, DType dtype) {
    long size = config.hiddenSize();
    long inner = config.nInner();
    cFc = child("c_fc", LinearLayer.class, new Conv1D(size, inner, dtype));
    cProj = child("c_proj", LinearLayer.class, new Conv1D(inner, size, dtype));
    act =
        child(
            "act", Layer.class, Activation.of(config.activationFunction(), "activation_function"));
    dropout = child("dropout", new Dropout(config.residPdrop()));
  }

  @Override
  public Tensor forward(Tensor x) {
    try (TensorScope scope = TensorScope.open("mlp")) {
      Tensor inner = act.get().forward(cFc.get().forward(x));
      return scope.keep(dropout.forward(cProj.get().forward(inner)));
    }
  }
}
