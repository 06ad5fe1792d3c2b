package org.peftjava.transformers.model;

import java.util.OptionalDouble;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.AttentionLayer;
import org.peftjava.torch.nn.Dropout;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.RmsNorm;
import org.peftjava.torch.nn.Slot;

/**
 * One decoder layer: attention and a feed-forward block, each with a norm before it and a residual
 * connection around it; in the sandwich form with a norm behind it too.
 *
 * <p>Reference: {@code LlamaDecoderLayer}, {@code Gemma2DecoderLayer}.
 */
public final class RotaryDecoderLayer extends Module {
  private final Slot<AttentionLayer<RotaryContext>> selfAttn;
  private final Slot<Layer> mlp;
  private final Slot<Layer> attentionNorm;
  private final @Nullable Slot<Layer> attentionOutputNorm;
  private final Slot<Layer> mlpNorm;
  private final @Nullable Slot<Layer> mlpOutputNorm;
  private final @Nullable Dropout attentionDropout;
  private final @Nullable Dropout mlpDropout;

  private <A extends Module & RotaryAttention, M extends Module & Layer> RotaryDecoderLayer(
      A attention, M mlp, Supplier<RmsNorm> norm, boolean sandwich, OptionalDouble dropout) {
    selfAttn = child("self_attn", AttentionLayer.type(), attention);
    this.mlp = child("mlp", Layer.class, mlp);
    attentionNorm = child("input_layernorm", Layer.class, norm.get());
    Slot<Layer> second = child("post_attention_layernorm", Layer.class, norm.get());
    attentionOutputNorm = sandwich ? second : null;
    mlpNorm = sandwich ? child("pre_feedforward_layernorm", Layer.class, norm.get()) : second;
    mlpOutputNorm = sandwich ? child("post_feedforward_layernorm", Layer.class, norm.get()) : null;
    attentionDropout = dropout("resid_attn_dropout", dropout);
    mlpDropout = dropout("resid_mlp_dropout", dropout);
  }

  private @Nullable Dropout dropout(String name, OptionalDouble probability) {
    return probability.isPresent() ? child(name, new Dropout(probability.getAsDouble())) : null;
  }

  /** {@code x + attention(norm(x))}, then {@code x + mlp(norm(x))}. */
  public static <A extends Module & RotaryAttention, M extends Module & Layer>
      RotaryDecoderLayer preNorm(A attention, M mlp, Supplier<RmsNorm> norm) {
    return new RotaryDecoderLayer(attention, mlp, norm, false, OptionalDouble.empty());
  }

  /** The same with dropout of this probability before each sum, while training. */
  public static <A extends Module & RotaryAttention, M extends Module & Layer>
      RotaryDecoderLayer preNorm(A attention, M mlp, Supplier<RmsNorm> norm, double dropout) {
    return new RotaryDecoderLayer(attention, mlp, norm, false, OptionalDouble.of(dropout));
  }

  /** {@code x + norm(attention(norm(x)))}, then {@code x + norm(mlp(norm(x)))}. */
  public static <A extends Module & RotaryAttention, M extends Module & Layer>
      RotaryDecoderLayer sandwich(A attention, M mlp, Supplier<RmsNorm> norm) {
    return new RotaryDecoderLayer(attention, mlp, norm, true, OptionalDouble.empty());
  }

  /** Returns the layer's output (b, t, e), owned by the current scope. */
  Tensor forward(Tensor x, RotaryContext context) {
    try (TensorScope scope = TensorScope.open("decoder layer")) {
      Tensor attended = selfAttn.get().forward(attentionNorm.get().forward(x), context);
      Tensor update = dropped(attentionDropout, normed(attentionOutputNorm, attended));
      Tensor hidden = residual(update, x);
      Tensor fed = mlp.get().forward(mlpNorm.get().forward(hidden));
      return scope.keep(residual(dropped(mlpDropout, normed(mlpOutputNorm, fed)), hidden));
    }
  }

  private static Tensor normed(@Nullable Slot<Layer> norm, Tensor x) {
    return norm == null ? x : norm.get().forward(x);
  }

  private static Tensor dropped(@Nullable Dropout dropout, Tensor x) {
    return dropout == null ? x : dropout.forward(x);
  }

  /** {@code x + update}; in place where nobody looks back at the update. */
  private static Tensor residual(Tensor update, Tensor x) {
    return GradMode.isEnabled() ? update.add(x) : update.addInPlace(x);
  }
}
