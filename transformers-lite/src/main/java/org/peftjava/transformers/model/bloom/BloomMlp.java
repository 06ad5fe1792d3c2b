package org.peftjava.transformers.model.bloom;

import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Activation;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;

/** The feed-forward block, four times as wide as the hidden state. Reference: {@code BloomMLP}. */
final class BloomMlp extends Module implements Layer {
  private final Slot<LinearLayer> denseHTo4h;
  private final Slot<Layer> geluImpl;
  private final Slot<LinearLayer> dense4hToH;

  BloomMlp(BloomConfig config, DType dtype) {
    long size = config.hiddenSize();
    denseHTo4h = child("dense_h_to_4h", LinearLayer.class, new Linear(size, 4 * size, true, dtype));
    geluImpl =
        child("gelu_impl", Layer.class, Activation.of("gelu_pytorch_tanh", "the activation"));
    dense4hToH = child("dense_4h_to_h", LinearLayer.class, new Linear(4 * size, size, true, dtype));
  }

  @Override
  public Tensor forward(Tensor x) {
    try (TensorScope scope = TensorScope.open("mlp")) {
      Tensor inner = geluImpl.get().forward(denseHTo4h.get().forward(x));
      return scope.keep(dense4hToH.get().forward(inner));
    }
  }
}
