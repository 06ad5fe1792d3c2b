package org.peftjava.peft.tuner.lora;

import java.util.HashMap;
import java.util.Map;
import java.util.OptionalLong;
import org.peftjava.peft.Goldens;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Conv1D;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;
import org.peftjava.torch.nn.StateDict;

/** conv(tall(wide(emb(ids)))), the module of golden/lora_starts. */
final class FourLayers extends Module {
  private final Slot<EmbeddingLayer> emb =
      child(
          "emb", EmbeddingLayer.class, new Embedding(11, 12, OptionalLong.empty(), DType.FLOAT32));
  private final Slot<LinearLayer> wide =
      child("wide", LinearLayer.class, new Linear(12, 8, false, DType.FLOAT32));
  private final Slot<LinearLayer> tall =
      child("tall", LinearLayer.class, new Linear(8, 14, true, DType.FLOAT32));
  private final Slot<LinearLayer> conv =
      child("conv", LinearLayer.class, new Conv1D(14, 10, DType.FLOAT32));

  static FourLayers load() {
    FourLayers model = new FourLayers();
    Map<String, Tensor> values = new HashMap<>();
    Goldens.tensors("lora_starts/io.safetensors")
        .forEach(
            (key, value) -> {
              if (key.startsWith("base.") && !key.equals("base.output")) {
                values.put(key.substring("base.".length()), value);
              }
            });
    model.to(Device.defaultDevice());
    StateDict.load(model, values, StateDict.Mode.COPY);
    model.eval();
    return model;
  }

  /** The output in the graph. */
  Tensor output(Tensor ids) {
    return conv.get().forward(tall.get().forward(wide.get().forward(emb.get().forward(ids))));
  }

  /** The output without a graph. */
  Tensor forward(Tensor ids) {
    try (GradMode off = GradMode.noGrad()) {
      return output(ids);
    }
  }

  LinearLayer wide() {
    return wide.get();
  }
}
