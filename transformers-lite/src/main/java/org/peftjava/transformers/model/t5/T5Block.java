package org.peftjava.transformers.model.t5;

import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModuleList;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.Float16Range;
import org.peftjava.transformers.model.Seq2SeqContext;

/**
 * One layer of a stack: attention, in the decoder attention to the encoder, and a feed-forward
 * block, each with a norm before it and a residual connection around it.
 *
 * <p>Reference: {@code T5Block}.
 */
final class T5Block extends Module {
  private final Sublayer<T5Attention> selfAttention;
  private final @Nullable Sublayer<T5Attention> encoderAttention;
  private final Sublayer<T5Dense> feedForward;
  private final double dropout;

  T5Block(T5Config config, int layer, boolean decoder, DType dtype) {
    dropout = config.dropoutRate();
    boolean first = layer == 0;
    T5Attention attention = new T5Attention(config, layer, first, dtype);
    selfAttention = new Sublayer<>("SelfAttention", attention, config, dtype);
    encoderAttention =
        decoder
            ? new Sublayer<>(
                "EncDecAttention", new T5Attention(config, layer, false, dtype), config, dtype)
            : null;
    feedForward = new Sublayer<>("DenseReluDense", new T5Dense(config, dtype), config, dtype);
    ModuleList<Module> sublayers = child("layer", new ModuleList<>(Module.class));
    sublayers.add(selfAttention);
    if (encoderAttention != null) {
      sublayers.add(encoderAttention);
    }
    sublayers.add(feedForward);
  }

  /** A block's part and the norm before it. */
  private static final class Sublayer<M extends Module> extends Module {
    private final M body;
    private final Slot<Layer> layerNorm;

    Sublayer(String name, M body, T5Config config, DType dtype) {
      this.body = child(name, body);
      layerNorm = child("layer_norm", Layer.class, new T5LayerNorm(config, dtype));
    }
  }

  T5Attention selfAttention() {
    return selfAttention.body;
  }

  /** Returns the layer's output (b, t, e), owned by the current scope. */
  Tensor forward(Tensor x, Seq2SeqContext context) {
    try (TensorScope scope = TensorScope.open("T5Block")) {
      Tensor normed = selfAttention.layerNorm.get().forward(x);
      Tensor hidden = residual(selfAttention.body.toItself(normed, context), x);
      Seq2SeqContext.Encoder encoder = context.encoder();
      if (encoderAttention != null && encoder != null) {
        normed = encoderAttention.layerNorm.get().forward(hidden);
        hidden = residual(encoderAttention.body.toEncoder(normed, encoder), hidden);
      }
      normed = feedForward.layerNorm.get().forward(hidden);
      return scope.keep(residual(feedForward.body.forward(normed), hidden));
    }
  }

  /** {@code x + dropout(update)}; in place where nobody looks back at the update. */
  private Tensor residual(Tensor update, Tensor x) {
    Tensor sum;
    if (isTraining() && dropout > 0) {
      sum = Dropouts.dropout(update, dropout).add(x);
    } else {
      boolean inPlace = !GradMode.isEnabled() && update.dtype() == x.dtype();
      sum = inPlace ? update.addInPlace(x) : update.add(x);
    }
    return Float16Range.clamped(sum);
  }
}
