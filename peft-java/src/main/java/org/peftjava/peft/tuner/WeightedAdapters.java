package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/**
 * Makes a new adapter out of several. Reference: PEFT {@code LoraModel.add_weighted_adapter,
 * IA3Model.add_weighted_adapter}.
 */
public final class WeightedAdapters {
  private final TunedModel model;
  private final List<String> adapters;
  private final double[] weights;

  private WeightedAdapters(TunedModel model, List<String> adapters, List<Double> weights) {
    this.model = model;
    this.adapters = List.copyOf(adapters);
    this.weights = weights.stream().mapToDouble(Double::doubleValue).toArray();
  }

  /**
   * Adds an adapter that does not act yet. Nothing changes if it throws.
   *
   * @param adapters the adapters to combine
   * @param weights one for each, negative to subtract
   */
  public static void add(
      TunedModel model,
      List<String> adapters,
      List<Double> weights,
      String adapterName,
      WeightedAdapterOptions options) {
    model.adapters().checkKnown(adapters);
    model.adapters().checkNew(adapterName);
    if (adapters.isEmpty() || Set.copyOf(adapters).size() != adapters.size()) {
      throw new IllegalArgumentException(
          "Expected one or more adapters to combine, each once, got " + adapters + ".");
    }
    if (weights.size() != adapters.size()
        || weights.stream().anyMatch(weight -> !Double.isFinite(weight))) {
      throw new IllegalArgumentException(
          "Expected one finite weight for each of the adapters " + adapters + ", got " + weights);
    }
    new WeightedAdapters(model, adapters, weights).add(adapterName, options);
  }

  private void add(String name, WeightedAdapterOptions given) {
    WeightedAdapterOptions options =
        adapters.size() == 1 ? given.with(CombinationType.LINEAR) : given;
    checkCopies();
    List<TunerConfig> configs =
        adapters.stream().map(a -> Objects.requireNonNull(model.configs().get(a))).toList();
    add(name, TunerMethods.ofLayers(configs.get(0).peftType()), configs, options);
  }

  @SuppressWarnings("unchecked")
  private <C extends TunerConfig> void add(
      String name,
      TunerMethod<C> method,
      List<TunerConfig> configs,
      WeightedAdapterOptions options) {
    if (!(method instanceof CombinableMethod)) {
      throw new UnsupportedOperationException(
          method.peftType() + " adapters cannot be combined; LORA and IA3 adapters can.");
    }
    CombinableMethod<C> combinable = (CombinableMethod<C>) method;
    Class<C> type = method.configType();
    if (!configs.stream().allMatch(type::isInstance)) {
      throw new IllegalArgumentException(
          "The adapters " + adapters + " are of different types, which cannot be combined.");
    }
    List<C> given = configs.stream().map(type::cast).toList();
    model.add(name, combinable.combinedConfig(given, options), AddOptions.DEFAULT);
    C config = type.cast(Objects.requireNonNull(model.configs().get(name)));
    try (TensorScope scope = TensorScope.open("combine adapters");
        GradMode off = GradMode.noGrad()) {
      model
          .layers()
          .forEach((path, layer) -> combine(path, layer, name, combinable, config, options));
      model.savedModules().values().forEach(module -> takeCopy(module, name));
      model.trainable(name, false);
    } catch (RuntimeException e) {
      model.delete(name);
      throw e;
    }
  }

  private <C extends TunerConfig> void combine(
      String path,
      AdaptedLayer layer,
      String name,
      CombinableMethod<C> method,
      C config,
      WeightedAdapterOptions options) {
    List<LayerAdapter> sources = new ArrayList<>();
    List<Double> used = new ArrayList<>();
    for (int i = 0; i < weights.length; i++) {
      LayerAdapter source = layer.adapters().get(adapters.get(i));
      if (source != null) {
        sources.add(source);
        used.add(weights[i]);
      }
    }
    LayerAdapter target = layer.adapters().get(name);
    if ((target == null) != sources.isEmpty()) {
      throw new IllegalArgumentException(
          "Layer \""
              + path
              + (target == null
                  ? "\" has one of the adapters, but the combined config, made from that of \""
                  : "\" has none of the adapters, but the combined config, made from that of \"")
              + adapters.get(0)
              + "\", "
              + (target == null ? "leaves it out" : "selects it")
              + ". The adapters must agree in excludeModules, layersToTransform and"
              + " layersPattern.");
    }
    if (target instanceof TokensAdapter tokens) {
      sources.forEach(source -> tokens.copyFrom((TokensAdapter) source)); // there is one
    } else if (target != null) {
      try (TensorScope scope = TensorScope.open("combine layer")) {
        method.combine(
            config,
            target,
            sources,
            used.stream().mapToDouble(Double::doubleValue).toArray(),
            options);
      }
    }
  }

  private void checkCopies() {
    model
        .savedModules()
        .forEach(
            (path, module) -> {
              List<String> owners = adapters.stream().filter(module.copies()::containsKey).toList();
              if (owners.size() > 1) {
                throw new IllegalArgumentException(
                    "Adapters "
                        + owners
                        + " each have a full copy of module \""
                        + path
                        + "\" (modulesToSave); full copies cannot be combined.");
              }
            });
  }

  /** The new adapter goes on with the one full copy that there is. */
  private void takeCopy(SavedModule module, String name) {
    Module copy = module.copies().get(name);
    if (copy != null) {
      Map<String, Parameter> target = copy.namedState();
      adapters.stream()
          .filter(module.copies()::containsKey)
          .findFirst()
          .map(owner -> Objects.requireNonNull(module.copies().get(owner)).namedState())
          .ifPresent(
              source ->
                  target.forEach(
                      (key, parameter) ->
                          parameter.copyFrom(
                              Objects.requireNonNull(source.get(key)).tensor().detach())));
    }
  }
}
