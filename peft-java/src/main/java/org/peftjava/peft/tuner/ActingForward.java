package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;

/** What a layer gives while adapters act on it, the same ones for all rows. */
final class ActingForward {
  private ActingForward() {}

  /**
   * The base layer's output, changed by adapters. Those of one type work side by side; where a
   * model has several types, each works around those that came before it.
   */
  static Tensor of(AdaptedLayer layer, List<LayerAdapter> acting, Tensor input) {
    try (TensorScope scope = TensorScope.open("adapted layer")) {
      UnaryOperator<Tensor> inner = layer.baseLayer()::forward;
      for (List<LayerAdapter> nest : nests(layer, acting)) {
        UnaryOperator<Tensor> below = inner;
        inner = x -> around(layer, nest, below, x);
      }
      return scope.keep(inner.apply(input));
    }
  }

  private static List<List<LayerAdapter>> nests(AdaptedLayer layer, List<LayerAdapter> acting) {
    return acting.size() == 1
        ? List.of(acting)
        : layer
            .adapterSet()
            .owner()
            .filter(TunedModel::isMixed)
            .map(model -> Nests.of(model, layer.adapters(), acting))
            .orElseGet(() -> List.of(acting));
  }

  private static Tensor around(
      AdaptedLayer layer, List<LayerAdapter> acting, UnaryOperator<Tensor> below, Tensor input) {
    Tensor changed = input;
    for (LayerAdapter adapter : inputOrder(acting)) {
      changed = adapter.beforeBase(changed, layer.isTraining());
    }
    Tensor x = changed.to(input.dtype());
    Supplier<Tensor> base = () -> below.apply(x);
    for (LayerAdapter adapter : acting) {
      Supplier<Tensor> inner = base;
      base = () -> adapter.aroundBase(inner);
    }
    Tensor y = base.get();
    DType type = y.dtype();
    if (acting.size() > 1) {
      y = y.to(sumType(acting, type)); // rounded once, not after each adapter
    }
    Tensor given = y;
    for (LayerAdapter adapter : acting) {
      y = layer.changed(adapter, x, y, given, null, x.size(0));
    }
    return y.to(type);
  }

  private static List<LayerAdapter> inputOrder(List<LayerAdapter> acting) {
    if (acting.size() == 1 || !acting.get(0).lastFirst()) {
      return acting;
    }
    List<LayerAdapter> result = new ArrayList<>(acting);
    Collections.reverse(result);
    return result;
  }

  private static DType sumType(List<LayerAdapter> adapters, DType baseType) {
    return adapters.stream()
        .flatMap(adapter -> adapter.weights().stream())
        .map(weight -> weight.parameter().dtype())
        .filter(type -> type.isFloatingPoint() && type.byteSize() > baseType.byteSize())
        .findFirst()
        .orElse(baseType);
  }
}
