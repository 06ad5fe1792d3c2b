package org.peftjava.peft.tuner;

import java.util.List;
import java.util.Optional;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.nn.StackLayer;

/**
 * A whole layer of a decoder, whose adapter carries a state of its own beside the hidden state.
 * From its first layer to its last one both are one tensor (b, t, 2 e), so that layers can be run
 * again in the backward pass.
 *
 * @param <C> what the layer gets beside its input
 */
public final class AdaptedDecoderLayer<C> extends AdaptedLayer implements StackLayer<C> {
  private final StackLayer<C> layer;

  private AdaptedDecoderLayer(AdapterSet set, Module base, StackLayer<C> layer) {
    super(set, base);
    this.layer = layer;
  }

  static AdaptedDecoderLayer<?> over(AdapterSet set, Module base) {
    return new AdaptedDecoderLayer<>(set, base, (StackLayer<?>) base);
  }

  private Optional<CarryingAdapter> carrying() {
    List<LayerAdapter> acting = acting();
    return acting.isEmpty() ? Optional.empty() : Optional.of((CarryingAdapter) acting.get(0));
  }

  @Override
  public Tensor entering(Tensor state) {
    if (!carrying().map(CarryingAdapter::isFirst).orElse(false)) {
      return state;
    }
    Tensor first =
        adapterSet()
            .carried()
            .orElseThrow(
                () ->
                    new IllegalStateException(
                        "The adapter's state begins with a pass of its PeftModel. Call forward or"
                            + " generate on the PeftModel, not on the model below it."));
    return Creation.cat(List.of(state, first.to(state.device()).to(state.dtype())), -1);
  }

  @Override
  public Tensor hiddenPart(Tensor state) {
    return carrying().map(CarryingAdapter::isFirst).orElse(true)
        ? state
        : state.narrow(-1, 0, state.size(-1) / 2);
  }

  @Override
  public Tensor forward(Tensor x, C context) {
    Optional<CarryingAdapter> acting = carrying();
    if (acting.isEmpty()) {
      return layer.forward(x, context);
    }
    CarryingAdapter adapter = acting.get();
    try (TensorScope scope = TensorScope.open("adapted decoder layer")) {
      long size = x.size(-1) / 2;
      Tensor state = x.narrow(-1, size, size);
      Tensor given = adapter.injected(x.narrow(-1, 0, size), state, isTraining());
      Tensor hidden = layer.forward(given, context);
      return scope.keep(
          adapter.isLast()
              ? hidden
              : Creation.cat(List.of(hidden, adapter.next(hidden, state)), -1));
    }
  }

  @Override
  public String kind() {
    return "ShadowLayer";
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

  static UnsupportedOperationException notOneWeight() {
    return new UnsupportedOperationException(
        "A state that depends on the text is no part of any weight and cannot be merged. Save the"
            + " adapter and load it with the model, unload() it, or take the small model alone with"
            + " unloadShadow().");
  }

  @Override
  Optional<Parameter> baseBias() {
    return Optional.empty();
  }
}
