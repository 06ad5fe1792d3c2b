package org.peftjava.peft.tuner;

import java.util.List;
import java.util.Optional;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.model.DecoderContext;
import org.peftjava.transformers.model.MaskedAttention;
import org.peftjava.transformers.model.RotaryAttention;
import org.peftjava.transformers.model.RotaryContext;

/**
 * The attention of a decoder layer with vectors beside the text that its tokens ask too.
 *
 * <p>Its weights are those of its projections: there is nothing to merge into.
 */
public final class AdaptedAttention extends AdaptedLayer
    implements RotaryAttention, MaskedAttention {
  private final Module attention;

  AdaptedAttention(AdapterSet set, Module attention) {
    super(set, attention, "model");
    this.attention = attention;
  }

  /** Whether a module is an attention that this can stand for. */
  public static boolean fits(Module module) {
    return module instanceof RotaryAttention || module instanceof MaskedAttention;
  }

  /** What one adapter adds to the attention's output. */
  private interface Addition {
    Tensor of(BesideAdapter adapter);
  }

  private Tensor added(Tensor y, Addition addition) {
    List<LayerAdapter> acting = acting();
    if (acting.isEmpty()) {
      return y;
    }
    try (TensorScope scope = TensorScope.open("adapted attention")) {
      Tensor sum = y;
      for (LayerAdapter adapter : acting) {
        sum = sum.add(addition.of((BesideAdapter) adapter));
      }
      return scope.keep(sum);
    }
  }

  @Override
  public Tensor forward(Tensor x, RotaryContext context) {
    RotaryAttention base = (RotaryAttention) attention;
    return added(base.forward(x, context), a -> base.askBeside(x, a.vectors(), a.gate(), context));
  }

  @Override
  public Tensor forward(Tensor x, DecoderContext context) {
    MaskedAttention base = (MaskedAttention) attention;
    return added(base.forward(x, context), a -> base.askBeside(x, a.vectors(), a.gate()));
  }

  @Override
  public Tensor askBeside(Tensor x, Tensor vectors, Tensor gate, RotaryContext context) {
    return ((RotaryAttention) attention).askBeside(x, vectors, gate, context);
  }

  @Override
  public Tensor askBeside(Tensor x, Tensor vectors, Tensor gate) {
    return ((MaskedAttention) attention).askBeside(x, vectors, gate);
  }

  @Override
  public String kind() {
    return attention instanceof MaskedAttention ? "AdaptedAttentionGPT" : "AdaptedAttention";
  }

  @Override
  Layer baseLayer() {
    throw notOneWeight();
  }

  @Override
  Tensor readWeight() {
    throw notOneWeight();
  }

  @Override
  void writeWeight(Tensor dense) {
    throw notOneWeight();
  }

  private static UnsupportedOperationException notOneWeight() {
    return new UnsupportedOperationException(
        "Vectors beside the text are no part of any weight and cannot be merged. Save the adapter"
            + " and load it with the model.");
  }

  @Override
  Optional<Parameter> baseBias() {
    return Optional.empty();
  }
}
