package org.peftjava.transformers.model.phi;

import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Activation;
import org.peftjava.torch.nn.AttentionLayer;
import org.peftjava.torch.nn.Dropout;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.LayerNorm;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.GroupedQueryAttention;
import org.peftjava.transformers.model.PlainMlp;
import org.peftjava.transformers.model.RotaryContext;
import org.peftjava.transformers.model.RotaryHeads;
import org.peftjava.transformers.model.RotaryLayer;

/**
 * One layer: attention and a feed-forward block that read the same normed hidden state.
 *
 * <p>Reference: {@code PhiDecoderLayer}.
 */
final class PhiLayer extends RotaryLayer {
  private static final GroupedQueryAttention.Names ATTENTION =
      new GroupedQueryAttention.Names("dense", "q_layernorm", "k_layernorm");
  private static final PlainMlp.Names MLP =
      new PlainMlp.Names("fc1", "fc2", "activation_fn", /* activationFirst= */ true, null);

  private final Slot<AttentionLayer<RotaryContext>> selfAttn;
  private final Slot<Layer> mlp;
  private final Slot<Layer> norm;
  private final Dropout dropout;

  PhiLayer(PhiConfig config, int layer, DType dtype) {
    selfAttn =
        child(
            "self_attn",
            AttentionLayer.type(),
            new GroupedQueryAttention(
                RotaryHeads.of(config, layer),
                config.hiddenSize(),
                ATTENTION,
                /* bias= */ true,
                /* outputBias= */ true,
                config.qkLayernorm() ? () -> norm(config, config.headDim(), dtype) : null,
                dtype));
    mlp =
        child(
            "mlp",
            Layer.class,
            new PlainMlp(
                MLP,
                config.hiddenSize(),
                config.intermediateSize(),
                /* bias= */ true,
                Activation.of(config.hiddenAct(), "hidden_act"),
                /* dropout= */ 0,
                dtype));
    norm = child("input_layernorm", Layer.class, norm(config, config.hiddenSize(), dtype));
    dropout = child("resid_dropout", new Dropout(config.residPdrop()));
  }

  static LayerNorm norm(PhiConfig config, long size, DType dtype) {
    return new LayerNorm(size, config.layerNormEps(), dtype);
  }

  @Override
  public Tensor forward(Tensor x, RotaryContext context) {
    try (TensorScope scope = TensorScope.open("decoder layer")) {
      Tensor normed = norm.get().forward(x);
      Tensor attended = dropout.forward(selfAttn.get().forward(normed, context));
      Tensor fed = dropout.forward(mlp.get().forward(normed));
      return scope.keep(residual(residual(attended, fed), x));
    }
  }
}
