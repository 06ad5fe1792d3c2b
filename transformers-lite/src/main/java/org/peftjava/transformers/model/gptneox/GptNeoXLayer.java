package org.peftjava.transformers.model.gptneox;

import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Activation;
import org.peftjava.torch.nn.AttentionLayer;
import org.peftjava.torch.nn.Dropout;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.LayerNorm;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.PlainMlp;
import org.peftjava.transformers.model.RotaryContext;
import org.peftjava.transformers.model.RotaryHeads;
import org.peftjava.transformers.model.RotaryLayer;

/**
 * One layer: attention and a feed-forward block that read the same hidden state, each through a
 * norm of its own; or one after the other.
 *
 * <p>Reference: {@code GPTNeoXLayer}.
 */
final class GptNeoXLayer extends RotaryLayer {
  private static final PlainMlp.Names MLP =
      new PlainMlp.Names(
          "dense_h_to_4h", "dense_4h_to_h", "act", /* activationFirst= */ false, null);

  private final Slot<Layer> attentionNorm;
  private final Slot<Layer> mlpNorm;
  private final Dropout attentionDropout;
  private final Dropout mlpDropout;
  private final Slot<AttentionLayer<RotaryContext>> attention;
  private final Slot<Layer> mlp;
  private final boolean parallel;

  GptNeoXLayer(GptNeoXConfig config, int layer, DType dtype) {
    parallel = config.useParallelResidual();
    attentionNorm = child("input_layernorm", Layer.class, norm(config, dtype));
    mlpNorm = child("post_attention_layernorm", Layer.class, norm(config, dtype));
    attentionDropout = child("post_attention_dropout", new Dropout(config.hiddenDropout()));
    mlpDropout = child("post_mlp_dropout", new Dropout(config.hiddenDropout()));
    attention =
        child(
            "attention",
            AttentionLayer.type(),
            new GptNeoXAttention(RotaryHeads.of(config, layer), config.attentionBias(), dtype));
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
  }

  static LayerNorm norm(GptNeoXConfig config, DType dtype) {
    return new LayerNorm(config.hiddenSize(), config.layerNormEps(), dtype);
  }

  @Override
  public Tensor forward(Tensor x, RotaryContext context) {
    try (TensorScope scope = TensorScope.open("decoder layer")) {
      Tensor attended =
          attentionDropout.forward(
              attention.get().forward(attentionNorm.get().forward(x), context));
      if (parallel) {
        return scope.keep(residual(residual(fed(x), attended), x));
      }
      Tensor hidden = residual(attended, x);
      return scope.keep(residual(fed(hidden), hidden));
    }
  }

  private Tensor fed(Tensor x) {
    return mlpDropout.forward(mlp.get().forward(mlpNorm.get().forward(x)));
  }
}
