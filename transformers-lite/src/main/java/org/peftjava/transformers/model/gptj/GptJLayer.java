package org.peftjava.transformers.model.gptj;

import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Activation;
import org.peftjava.torch.nn.AttentionLayer;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.LayerNorm;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.PlainMlp;
import org.peftjava.transformers.model.RotaryContext;
import org.peftjava.transformers.model.RotaryLayer;

/**
 * One layer: attention and a feed-forward block that read the same normed hidden state.
 *
 * <p>Reference: {@code GPTJBlock}.
 */
final class GptJLayer extends RotaryLayer {
  private static final PlainMlp.Names MLP =
      new PlainMlp.Names("fc_in", "fc_out", "act", /* activationFirst= */ false, "dropout");

  private final Slot<Layer> ln1;
  private final Slot<AttentionLayer<RotaryContext>> attn;
  private final Slot<Layer> mlp;

  GptJLayer(GptJConfig config, int layer, DType dtype) {
    ln1 = child("ln_1", Layer.class, norm(config, dtype));
    attn = child("attn", AttentionLayer.type(), new GptJAttention(config, layer, dtype));
    mlp =
        child(
            "mlp",
            Layer.class,
            new PlainMlp(
                MLP,
                config.hiddenSize(),
                config.intermediateSize(),
                /* bias= */ true,
                Activation.of(config.hiddenAct(), "activation_function"),
                config.residPdrop(),
                dtype));
  }

  static LayerNorm norm(GptJConfig config, DType dtype) {
    return new LayerNorm(config.hiddenSize(), config.layerNormEpsilon(), dtype);
  }

  @Override
  public Tensor forward(Tensor x, RotaryContext context) {
    try (TensorScope scope = TensorScope.open("block")) {
      Tensor normed = ln1.get().forward(x);
      Tensor attended = attn.get().forward(normed, context);
      return scope.keep(residual(residual(attended, mlp.get().forward(normed)), x));
    }
  }
}
