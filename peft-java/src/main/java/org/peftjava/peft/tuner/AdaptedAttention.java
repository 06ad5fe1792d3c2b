package org.peftjava.peft.tuner;

import java.util.List;
import java.util.Optional;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.AttentionLayer;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * The attention of a decoder layer with vectors beside the text that its tokens ask too.
 *
 * <p>Its weights are those of its projections: there is nothing to merge into.
 *
 * @param <C> what the attention gets beside its input
 */
public final class AdaptedAttention<C> extends AdaptedLayer implements AttentionLayer<C> {
  private final AttentionLayer<C> attention;

  private AdaptedAttention(AdapterSet set, Module base, AttentionLayer<C> attention) {
    super(set, base, "model");
    this.attention = attention;
  }

  static AdaptedAttention<?> over(AdapterSet set, Module base) {
    return new AdaptedAttention<>(set, base, (AttentionLayer<?>) base);
  }

  @Override
  public Tensor forward(Tensor x, C context) {
    Tensor y = attention.forward(x, context);
    List<LayerAdapter> acting = acting();
    if (acting.isEmpty()) {
      return y;
    }
    try (TensorScope scope = TensorScope.open("adapted attention")) {
      Tensor sum = y;
      for (LayerAdapter each : acting) {
        BesideAdapter adapter = (BesideAdapter) each;
        sum = sum.add(attention.askBeside(x, adapter.vectors(), adapter.gate(), context));
      }
      return scope.keep(sum);
    }
  }

  @Override
  public Tensor askBeside(Tensor x, Tensor vectors, Tensor gate, C context) {
    return attention.askBeside(x, vectors, gate, context);
  }

  @Override
  public String kind() {
    return "AdaptedAttention";
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
