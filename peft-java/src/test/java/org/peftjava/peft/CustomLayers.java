package org.peftjava.peft;

import java.util.OptionalLong;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Conv1D;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;
import org.peftjava.torch.nn.StateDict;

/** conv(relu(lin(emb(ids)))), the module of golden/custom_layers. */
public final class CustomLayers extends Module {
  private final Slot<EmbeddingLayer> emb;
  private final Slot<LinearLayer> lin;
  private final Slot<LinearLayer> conv;

  /** Without memory. */
  public CustomLayers() {
    emb =
        child("emb", EmbeddingLayer.class, new Embedding(11, 6, OptionalLong.of(0), DType.FLOAT32));
    lin = child("lin", LinearLayer.class, new Linear(6, 8, false, DType.FLOAT32));
    conv = child("conv", LinearLayer.class, new Conv1D(8, 5, DType.FLOAT32));
  }

  /** With the weights of the golden file. */
  public static CustomLayers load() {
    CustomLayers model = new CustomLayers();
    model.to(Device.defaultDevice());
    try (TensorScope scope = TensorScope.open("load")) {
      StateDict.load(
          model, Goldens.tensors("custom_layers/base/model.safetensors"), StateDict.Mode.COPY);
    }
    model.eval();
    return model;
  }

  /** Maps ids (b, t) to (b, t, 5). */
  public Tensor forward(Tensor ids) {
    return conv.get().forward(Ops.relu(lin.get().forward(emb.get().forward(ids))));
  }

  EmbeddingLayer emb() {
    return emb.get();
  }

  LinearLayer lin() {
    return lin.get();
  }

  LinearLayer conv() {
    return conv.get();
  }
}
