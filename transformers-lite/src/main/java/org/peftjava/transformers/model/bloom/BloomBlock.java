package org.peftjava.transformers.model.bloom;

import org.peftjava.torch.DType;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.LayerNorm;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;
import org.peftjava.torch.nn.StackLayer;
import org.peftjava.transformers.model.DecoderContext;

/**
 * One layer: attention and a feed-forward block, each with a norm before it and a residual
 * connection around it, which begins before the norm or behind it.
 *
 * <p>Reference: {@code BloomBlock}.
 */
public final class BloomBlock extends Module implements StackLayer<DecoderContext> {
  private final Slot<Layer> inputLayernorm;
  private final BloomAttention selfAttention;
  private final Slot<Layer> postAttentionLayernorm;
  private final Slot<Layer> mlp;
  private final boolean residualBehindNorm;
  private final double dropout;

  BloomBlock(BloomConfig config, int layer, DType dtype) {
    residualBehindNorm = config.applyResidualConnectionPostLayernorm();
    dropout = config.hiddenDropout();
    inputLayernorm = child("input_layernorm", Layer.class, norm(config, dtype));
    selfAttention = child("self_attention", new BloomAttention(config, layer, dtype));
    postAttentionLayernorm = child("post_attention_layernorm", Layer.class, norm(config, dtype));
    mlp = child("mlp", Layer.class, new BloomMlp(config, dtype));
  }

  static LayerNorm norm(BloomConfig config, DType dtype) {
    return new LayerNorm(config.hiddenSize(), config.layerNormEpsilon(), dtype);
  }

  @Override
  public Tensor forward(Tensor x, DecoderContext context) {
    try (TensorScope scope = TensorScope.open("block")) {
      Tensor normed = inputLayernorm.get().forward(x);
      Tensor attended = selfAttention.forward(normed, context);
      Tensor hidden = residual(attended, residualBehindNorm ? normed : x);
      Tensor second = postAttentionLayernorm.get().forward(hidden);
      Tensor fed = mlp.get().forward(second);
      return scope.keep(residual(fed, residualBehindNorm ? second : hidden));
    }
  }

  /** {@code x + dropout(update)}; in place where nobody looks back at the update. */
  private Tensor residual(Tensor update, Tensor x) {
    if (isTraining() && dropout > 0) {
      return Dropouts.dropout(update, dropout).add(x);
    }
    return GradMode.isEnabled() ? update.add(x) : update.addInPlace(x);
  }
}
