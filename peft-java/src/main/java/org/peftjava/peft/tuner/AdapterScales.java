package org.peftjava.peft.tuner;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;

/**
 * The strength of a model's adapters. Reference: PEFT {@code LoraLayer.set_scale, scale_layer,
 * unscale_layer, helpers.py::rescale_adapter_scale}.
 */
public final class AdapterScales {
  private final TunedModel model;

  /** Those of a model. */
  public AdapterScales(TunedModel model) {
    this.model = model;
  }

  /** Sets adapters to so many times the strength that their configs give. */
  public void set(Collection<String> adapters, double scale) {
    change(adapters, adapter -> adapter.initialScaling() * scale);
  }

  /** Multiplies the strength of adapters. */
  public void multiply(Collection<String> adapters, double factor) {
    change(adapters, adapter -> adapter.scaling() * factor);
  }

  /** Multiplies the strength of all adapters until the result is closed. */
  public AdapterSet.Running rescale(double multiplier) {
    List<String> names = model.adapters().names();
    Map<ScaledAdapter, Double> before =
        scaled(names).stream()
            .collect(Collectors.toMap(adapter -> adapter, ScaledAdapter::scaling));
    multiply(names, multiplier);
    return () -> before.forEach(ScaledAdapter::scaling);
  }

  private void change(Collection<String> adapters, ToDoubleFunction<ScaledAdapter> value) {
    AdapterSet set = model.adapters();
    set.checkKnown(adapters);
    set.checkIdle("scale " + adapters);
    List<String> merged = adapters.stream().filter(set.merged()::contains).toList();
    if (!merged.isEmpty()) {
      throw new IllegalStateException(
          "Adapters "
              + merged
              + " are part of the base weights with their present strength. Unmerge them before"
              + " scaling.");
    }
    List<ScaledAdapter> scaled = scaled(adapters);
    scaled.forEach(adapter -> check(value.applyAsDouble(adapter)));
    if (scaled.isEmpty()) {
      throw new IllegalArgumentException(
          "None of the adapters "
              + adapters
              + " has a strength to change; LoRA, LoHa and LoKr have.");
    }
    scaled.forEach(adapter -> adapter.scaling(value.applyAsDouble(adapter)));
  }

  private static void check(double value) {
    if (!Double.isFinite(value)) {
      throw new IllegalArgumentException("A scale must be a finite number, got " + value + ".");
    }
  }

  private List<ScaledAdapter> scaled(Collection<String> adapters) {
    return model.layers().values().stream()
        .flatMap(layer -> adapters.stream().map(layer.adapters()::get))
        .filter(Objects::nonNull)
        .map(LayerAdapter::scales)
        .flatMap(List::stream)
        .distinct() // tied layers share one
        .toList();
  }
}
