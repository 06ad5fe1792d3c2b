package org.peftjava.transformers.model.gpt2;

import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.AttentionLayer;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.LayerNorm;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;
import org.peftjava.torch.nn.StackLayer;
import org.peftjava.transformers.model.DecoderContext;

/**
 * One layer: attention and a feed-forward block, each with a norm before it and a residual
 * connection around it.
 *
 * <p>Reference: {@code GPT2Block}.
 */
public final class Gpt2Block extends Module implements StackLayer<DecoderContext> {
  private final Slot<Layer> ln1;
  private final Slot<AttentionLayer<DecoderContext>> attn;
  private final Slot<Layer> ln2;
  private final Slot<Layer> mlp;

  Gpt2Block(Gpt2Config config, int layer, DType dtype) {
    ln1 = child("ln_1", Layer.class, norm(config, dtype));
    attn = child("attn", AttentionLayer.type(), new Gpt2Attention(config, layer, dtype));
    ln2 = child("ln_2", Layer.class, norm(config, dtype));
    mlp = child("mlp", Layer.class, new Gpt2Mlp(config, dtype));
  }

  static LayerNorm norm(Gpt2Config config, DType dtype) {
    return new LayerNorm(config.hiddenSize(), config.layerNormEpsilon(), dtype);
  }

  @Override
  public Tensor forward(Tensor x, DecoderContext context) {
    try (TensorScope scope = TensorScope.open("block")) {
      Tensor hidden = residual(attn.get().forward(ln1.get().forward(x), context), x);
      return scope.keep(residual(mlp.get().forward(ln2.get().forward(hidden)), hidden));
    }
  }

  /** {@code x + update}; in place where nobody looks back at the update. */
  private static Tensor residual(Tensor update, Tensor x) {
    return GradMode.isEnabled() ? update.add(x) : update.addInPlace(x);
  }
}
