package org.peftjava.transformers.model.bart;

import org.jspecify.annotations.Nullable;
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
import org.peftjava.transformers.model.Float16Range;
import org.peftjava.transformers.model.Seq2SeqContext;

/**
 * One layer of a stack: attention, in the decoder attention to the encoder, and a feed-forward
 * block, each with a residual connection and a norm after it.
 *
 * <p>Reference: {@code BartEncoderLayer}, {@code BartDecoderLayer}.
 */
final class BartLayer extends Module {
  static final double LAYER_NORM_EPS = 1e-5;

  private final BartAttention selfAttention;
  private final Slot<Layer> selfAttentionNorm;
  private final @Nullable BartAttention encoderAttention;
  private final @Nullable Slot<Layer> encoderAttentionNorm;
  private final Slot<Layer> activation;
  private final Slot<LinearLayer> fc1;
  private final Slot<LinearLayer> fc2;
  private final Slot<Layer> finalNorm;
  private final double dropout;
  private final double activationDropout;

  BartLayer(BartConfig config, int layer, boolean decoder, DType dtype) {
    dropout = config.dropout();
    activationDropout = config.activationDropout();
    long size = config.hiddenSize();
    long inner = config.ffnDim(decoder);
    Activation function = Activation.of(config.activationFunction(), "activation_function");
    selfAttention = child("self_attn", new BartAttention(config, layer, decoder, dtype));
    selfAttentionNorm = norm("self_attn_layer_norm", size, dtype);
    activation = child("activation_fn", Layer.class, function);
    encoderAttention =
        decoder ? child("encoder_attn", new BartAttention(config, layer, true, dtype)) : null;
    encoderAttentionNorm = decoder ? norm("encoder_attn_layer_norm", size, dtype) : null;
    fc1 = child("fc1", LinearLayer.class, new Linear(size, inner, true, dtype));
    fc2 = child("fc2", LinearLayer.class, new Linear(inner, size, true, dtype));
    finalNorm = norm("final_layer_norm", size, dtype);
  }

  private Slot<Layer> norm(String name, long size, DType dtype) {
    return child(name, Layer.class, new LayerNorm(size, LAYER_NORM_EPS, dtype));
  }

  /** Returns the layer's output (b, t, e), owned by the current scope. */
  Tensor forward(Tensor x, Seq2SeqContext context) {
    try (TensorScope scope = TensorScope.open("BartLayer")) {
      Tensor hidden = normed(selfAttentionNorm, selfAttention.toItself(x, context), x);
      Seq2SeqContext.Encoder encoder = context.encoder();
      if (encoderAttention != null && encoderAttentionNorm != null && encoder != null) {
        Tensor read = encoderAttention.toEncoder(hidden, encoder);
        hidden = normed(encoderAttentionNorm, read, hidden);
      }
      Tensor inner = activation.get().forward(fc1.get().forward(hidden));
      Tensor fed = fc2.get().forward(dropped(inner, activationDropout));
      Tensor result = normed(finalNorm, fed, hidden);
      return scope.keep(encoderAttention == null ? Float16Range.clamped(result) : result);
    }
  }

  /** {@code norm(x + dropout(update))}; in place where nobody looks back at the update. */
  private Tensor normed(Slot<Layer> norm, Tensor update, Tensor x) {
    boolean inPlace = !GradMode.isEnabled() && update.dtype() == x.dtype();
    Tensor kept = dropped(update, dropout);
    return norm.get().forward(inPlace ? kept.addInPlace(x) : kept.add(x));
  }

  private Tensor dropped(Tensor x, double probability) {
    return isTraining() && probability > 0 ? Dropouts.dropout(x, probability) : x;
  }
}
