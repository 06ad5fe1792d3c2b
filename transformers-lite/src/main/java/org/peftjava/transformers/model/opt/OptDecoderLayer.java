package org.peftjava.transformers.model.opt;

import org.peftjava.torch.DType;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Activation;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.LayerNorm;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;
import org.peftjava.torch.nn.StackLayer;
import org.peftjava.transformers.model.DecoderContext;

/**
 * One decoder layer: attention and a feed-forward block, each with a residual connection and a
 * layer norm before it (most sizes) or after it (350m).
 *
 * <p>Reference: {@code OPTDecoderLayer}.
 */
public final class OptDecoderLayer extends Module implements StackLayer<DecoderContext> {
  /** torch's default for LayerNorm. */
  static final double LAYER_NORM_EPS = 1e-5;

  private final OptAttention selfAttn;
  private final Slot<Layer> activation;
  private final Slot<Layer> selfAttnLayerNorm;
  private final Slot<LinearLayer> fc1;
  private final Slot<LinearLayer> fc2;
  private final Slot<Layer> finalLayerNorm;
  private final boolean normBefore;
  private final double dropout;

  OptDecoderLayer(OptConfig config, int layer, DType dtype) {
    long hidden = config.hiddenSize();
    long inner = config.ffnDim();
    boolean bias = config.enableBias();
    normBefore = config.doLayerNormBefore();
    dropout = config.dropout();
    selfAttn = child("self_attn", new OptAttention(config, layer, dtype));
    activation =
        child(
            "activation_fn",
            Layer.class,
            Activation.of(config.activationFunction(), "activation_function"));
    selfAttnLayerNorm = child("self_attn_layer_norm", Layer.class, norm(config, dtype));
    fc1 = child("fc1", LinearLayer.class, new Linear(hidden, inner, bias, dtype));
    fc2 = child("fc2", LinearLayer.class, new Linear(inner, hidden, bias, dtype));
    finalLayerNorm = child("final_layer_norm", Layer.class, norm(config, dtype));
  }

  static LayerNorm norm(OptConfig config, DType dtype) {
    return new LayerNorm(
        config.hiddenSize(), LAYER_NORM_EPS, config.layerNormElementwiseAffine(), dtype);
  }

  @Override
  public Tensor forward(Tensor x, DecoderContext context) {
    try (TensorScope scope = TensorScope.open("decoder layer")) {
      Tensor normed = normBefore ? selfAttnLayerNorm.get().forward(x) : x;
      Tensor hidden = residual(selfAttn.forward(normed, context), x);
      if (!normBefore) {
        hidden = selfAttnLayerNorm.get().forward(hidden);
      }
      Tensor result = residual(feedForward(hidden), hidden);
      return scope.keep(normBefore ? result : finalLayerNorm.get().forward(result));
    }
  }

  private Tensor feedForward(Tensor x) {
    try (TensorScope scope = TensorScope.open("feed forward")) {
      Tensor normed = normBefore ? finalLayerNorm.get().forward(x) : x;
      Tensor inner = activation.get().forward(fc1.get().forward(normed));
      return scope.keep(fc2.get().forward(inner));
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
