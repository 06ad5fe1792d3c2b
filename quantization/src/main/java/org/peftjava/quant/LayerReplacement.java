package org.peftjava.quant;

import java.util.Collection;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Conv1D;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModulePath;
import org.peftjava.torch.nn.Parameter;

/**
 * The dense linear layers of a model that are to become quantized ones, and their replacement one
 * by one, as their values come.
 */
public final class LayerReplacement {
  private final Module model;
  private final QuantizationConfig config;
  private final Map<String, Module> layers = new LinkedHashMap<>();

  private LayerReplacement(Module model, QuantizationConfig config) {
    this.model = model;
    this.config = config;
  }

  /**
   * Chooses the layers; nothing changes yet. Layers that share their weight are never chosen.
   *
   * @param byDefault names of modules that are skipped where the config has no list of its own
   * @param always names of modules that are skipped in any case
   */
  public static LayerReplacement of(
      Module model,
      QuantizationConfig config,
      Collection<String> byDefault,
      Collection<String> always) {
    LayerReplacement result = new LayerReplacement(model, config);
    SkipPatterns skipped = SkipPatterns.of(model, config, byDefault, always);
    IdentityHashMap<Parameter, Integer> uses = new IdentityHashMap<>();
    model.namedState().values().forEach(parameter -> uses.merge(parameter, 1, Integer::sum));
    model
        .namedModules()
        .forEach(
            (path, module) -> {
              if (isDense(module)
                  && !skipped.matches(path)
                  && uses.getOrDefault(weight(module), 0) == 1) {
                if (path.isEmpty()) {
                  throw new IllegalArgumentException(
                      "The model to quantize is a single "
                          + module.getClass().getSimpleName()
                          + ", which nothing holds. Expected a module with linear layers below"
                          + " it.");
                }
                result.layers.put(path, module);
              }
            });
    return result;
  }

  /** Whether a module is a linear layer that could be quantized. */
  public static boolean isDense(Module module) {
    return module instanceof Linear || module instanceof Conv1D;
  }

  /** The chosen layers by path. */
  public Map<String, Module> layers() {
    return Collections.unmodifiableMap(layers);
  }

  /** Quantizes values for a chosen layer, in the form in which it stores them, and replaces it. */
  public void quantize(String path, Tensor values) {
    Module dense = Objects.requireNonNull(layers.get(path), path);
    QuantizedWeight packed;
    try (TensorScope scope = TensorScope.open("quantize " + path);
        GradMode off = GradMode.noGrad()) {
      DType rounded = weight(dense).dtype();
      packed = config.quantize(dense instanceof Conv1D ? values.detach().t() : values, rounded);
    }
    replace(path, packed);
  }

  /** Puts a quantized weight, loaded or not, in the place of a chosen layer's. */
  public void replace(String path, QuantizedWeight packed) {
    Module dense = Objects.requireNonNull(layers.get(path), path);
    Parameter bias = dense.ownParameters().get("bias");
    if (bias != null) {
      bias.requiresGrad(false);
    }
    QuantizedLinear layer = config.layer(packed, bias);
    if (dense instanceof Conv1D) {
      layer.storedTransposed();
    }
    ModulePath.replace(model, path, layer);
    weight(dense).close();
  }

  /** Quantizes the chosen layers that have not been replaced yet. */
  public void quantizeRest() {
    layers.forEach(
        (path, module) -> {
          if (ModulePath.get(model, path) == module && !weight(module).isMaterialized()) {
            throw new IllegalStateException(
                "The weight of "
                    + path
                    + " has no values to quantize. Load or initialize the model first.");
          }
        });
    layers.forEach(
        (path, module) -> {
          if (ModulePath.get(model, path) == module) {
            quantize(path, weight(module).tensor());
          }
        });
  }

  /** The weight of a dense layer. */
  public static Parameter weight(Module module) {
    return module instanceof Linear linear ? linear.weight() : ((Conv1D) module).weight();
  }
}
