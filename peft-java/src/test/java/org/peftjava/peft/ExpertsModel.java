package org.peftjava.peft;

import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.ExpertWeights;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.nn.Slot;
import org.peftjava.torch.nn.StateDict;

/** lin(mix(turned(experts(emb(ids))))), the module of golden/target_parameters. */
final class ExpertsModel extends Module {
  private final Slot<EmbeddingLayer> emb =
      child("emb", EmbeddingLayer.class, new Embedding(11, 6, DType.FLOAT32));
  private final Slot<Layer> experts = child("experts", Layer.class, new Experts());
  private final Slot<Layer> turned = child("turned", Layer.class, new Turned());
  private final Slot<Layer> mix = child("mix", Layer.class, new Mix());
  private final Slot<LinearLayer> lin =
      child("lin", LinearLayer.class, new Linear(7, 4, true, DType.FLOAT32));

  private static Parameter parameter(long... sizes) {
    return new Parameter(Shape.of(sizes), DType.FLOAT32, Init.zeros());
  }

  /** Sum over experts of down relu(gate_up x), weights (experts, out, in). */
  private static final class Experts extends Module implements Layer {
    private final Parameter gateUp = register("gate_up", parameter(3, 8, 6));
    private final Parameter down = register("down", parameter(3, 6, 8));

    @Override
    public Tensor forward(Tensor x) {
      Tensor hidden = Ops.relu(x.unsqueeze(1).matmul(gateUp.tensor().transpose(1, 2)));
      return hidden.matmul(down.tensor().transpose(1, 2)).sum(1L);
    }
  }

  /** Sum over experts of relu(x inner), weights (experts, in, out). */
  private static final class Turned extends Module implements Layer, ExpertWeights {
    private final Parameter inner = register("inner", parameter(2, 6, 5));

    @Override
    public boolean isTransposed() {
      return true;
    }

    @Override
    public Tensor forward(Tensor x) {
      return Ops.relu(x.unsqueeze(1).matmul(inner.tensor())).sum(1L);
    }
  }

  private static final class Mix extends Module implements Layer {
    private final Parameter matrix = register("matrix", parameter(7, 5));

    @Override
    public Tensor forward(Tensor x) {
      return x.matmul(matrix.tensor().t());
    }
  }

  /** With the weights of the golden file. */
  static ExpertsModel load() {
    ExpertsModel model = new ExpertsModel();
    model.to(Device.defaultDevice());
    try (TensorScope scope = TensorScope.open("load")) {
      StateDict.load(
          model, Goldens.tensors("target_parameters/base/model.safetensors"), StateDict.Mode.COPY);
    }
    model.eval();
    return model;
  }

  /** Maps ids (b, t) to (b, t, 4). */
  Tensor forward(Tensor ids) {
    Tensor x = experts.get().forward(emb.get().forward(ids));
    return lin.get().forward(mix.get().forward(turned.get().forward(x)));
  }
}
