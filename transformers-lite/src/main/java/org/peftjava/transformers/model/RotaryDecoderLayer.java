package org.peftjava.transformers.model;

import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.AttentionLayer;
import org.peftjava.torch.nn.Dropout;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;

/**
 * One decoder layer: attention and a feed-forward block, each with a norm before it and a residual
 * connection around it; in the sandwich form with a norm behind it too.
 *
 * <p>Reference: {@code LlamaDecoderLayer}, {@code Gemma2DecoderLayer}, {@code GraniteDecoderLayer}.
 */
public final class RotaryDecoderLayer extends RotaryLayer {
  private final Slot<AttentionLayer<RotaryContext>> selfAttn;
  private final Slot<Layer> mlp;
  private final Slot<Layer> attentionNorm;
  private final @Nullable Slot<Layer> attentionOutputNorm;
  private final Slot<Layer> mlpNorm;
  private final @Nullable Slot<Layer> mlpOutputNorm;
  private final Form form;

  /**
   * What relatives of Llama change.
   *
   * @param sandwich whether there is a norm behind each block too
   * @param dropout probability before each sum, while training
   * @param named whether that dropout is a module, as in Phi-3
   * @param multiplier what each block's output is multiplied with
   */
  public record Form(boolean sandwich, double dropout, boolean named, double multiplier) {
    /** {@code x + attention(norm(x))}, then {@code x + mlp(norm(x))}. */
    public static final Form PRE_NORM = new Form(false, 0, false, 1);

    /** {@code x + norm(attention(norm(x)))}, then {@code x + norm(mlp(norm(x)))}. */
    public static final Form SANDWICH = new Form(true, 0, false, 1);

    /** The same with dropout that is a module, or is not. */
    public Form dropping(double probability, boolean asModule) {
      return new Form(sandwich, probability, asModule, multiplier);
    }

    /** The same with outputs multiplied by this. */
    public Form times(double factor) {
      return new Form(sandwich, dropout, named, factor);
    }
  }

  /** A layer whose norms are all made by one supplier. */
  public <A extends Module & RotaryAttention, M extends Module & Layer, N extends Module & Layer>
      RotaryDecoderLayer(Form form, A attention, M mlp, Supplier<N> norm) {
    this.form = form;
    boolean sandwich = form.sandwich();
    selfAttn = child("self_attn", AttentionLayer.type(), attention);
    this.mlp = child("mlp", Layer.class, mlp);
    attentionNorm = child("input_layernorm", Layer.class, norm.get());
    Slot<Layer> second = child("post_attention_layernorm", Layer.class, norm.get());
    attentionOutputNorm = sandwich ? second : null;
    mlpNorm = sandwich ? child("pre_feedforward_layernorm", Layer.class, norm.get()) : second;
    mlpOutputNorm = sandwich ? child("post_feedforward_layernorm", Layer.class, norm.get()) : null;
    if (form.named()) {
      child("resid_attn_dropout", new Dropout(form.dropout()));
      child("resid_mlp_dropout", new Dropout(form.dropout()));
    }
  }

  @Override
  public Tensor forward(Tensor x, RotaryContext context) {
    try (TensorScope scope = TensorScope.open("decoder layer")) {
      Tensor attended = selfAttn.get().forward(attentionNorm.get().forward(x), context);
      Tensor hidden = residual(update(normed(attentionOutputNorm, attended)), x);
      Tensor fed = mlp.get().forward(mlpNorm.get().forward(hidden));
      return scope.keep(residual(update(normed(mlpOutputNorm, fed)), hidden));
    }
  }

  private static Tensor normed(@Nullable Slot<Layer> norm, Tensor x) {
    return norm == null ? x : norm.get().forward(x);
  }

  private Tensor update(Tensor x) {
    Tensor dropped = isTraining() ? Dropouts.dropout(x, form.dropout()) : x;
    return form.multiplier() == 1 ? dropped : dropped.mul(form.multiplier());
  }
}
