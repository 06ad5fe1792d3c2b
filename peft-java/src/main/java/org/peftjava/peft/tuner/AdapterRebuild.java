package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Consumer;
import org.peftjava.torch.nn.ModulePath;

/**
 * Makes an adapter anew in some layers, as a changed config says, and takes it off others: its
 * ranks have changed. In the rest it stays.
 */
public final class AdapterRebuild {
  private final TunedModel model;
  private final String name;

  private AdapterRebuild(TunedModel model, String name) {
    this.model = model;
    this.name = name;
  }

  /**
   * Rebuilds an adapter. Nothing changes if it throws.
   *
   * @param config with the new ranks; its targets are set here
   * @param anew paths of the layers in which the adapter is made anew
   * @param off paths of the layers that lose it
   * @param fill gives the new adapters, by path, their values
   */
  public static void run(
      TunedModel model,
      String name,
      TunerConfig config,
      Set<String> anew,
      Set<String> off,
      Consumer<Map<String, LayerAdapter>> fill) {
    model.adapters().checkKnown(List.of(name));
    model.adapters().checkIdle("rebuild adapter \"" + name + "\"");
    if (model.adapters().merged().contains(name)) {
      throw new IllegalStateException(
          "Adapter \"" + name + "\" is merged into the base weights. Unmerge it first.");
    }
    AdapterRebuild rebuild = new AdapterRebuild(model, name);
    TunerConfig targeted = config.with("target_modules", rebuild.targets(off));
    Map<String, LayerAdapter> made =
        rebuild.made(TunerMethods.ofLayers(config.peftType()), targeted, anew);
    try {
      fill.accept(made);
    } catch (RuntimeException e) {
      close(made);
      throw e;
    }
    try (AdapterSet.Running alone = model.adapters().change("rebuild adapter \"" + name + "\"")) {
      rebuild.swap(made, off);
      model.rebuilt(name, targeted);
    }
  }

  private static void close(Map<String, LayerAdapter> made) {
    made.values()
        .forEach(adapter -> adapter.weights().forEach(weight -> weight.parameter().close()));
  }

  private List<String> targets(Set<String> off) {
    List<String> result = new ArrayList<>();
    model
        .layers()
        .forEach(
            (path, layer) -> {
              if (layer.adapters().containsKey(name) && !off.contains(path)) {
                result.add(path);
              }
            });
    if (result.isEmpty()) {
      throw new IllegalArgumentException("No layer would keep adapter \"" + name + "\".");
    }
    return MinimalTargets.reduce(result, model.base().modules().keySet());
  }

  private <C extends TunerConfig> Map<String, LayerAdapter> made(
      TunerMethod<C> method, TunerConfig config, Set<String> anew) {
    C own = method.configType().cast(config);
    Map<String, LayerAdapter> result = new LinkedHashMap<>();
    try (BaseChanges changes = new BaseChanges()) {
      for (String path : anew) {
        AdaptedLayer layer = Objects.requireNonNull(model.layers().get(path));
        LayerAdapter before = Objects.requireNonNull(layer.adapters().get(name));
        boolean wide =
            before.weights().stream()
                .noneMatch(weight -> weight.parameter().dtype().isHalfPrecision());
        LayerSite site =
            LayerSite.of(
                path,
                layer.original(),
                new AddOptions(wide, false),
                model.shared().getOrDefault(name, SharedWeights.NONE),
                changes,
                model.adapters());
        result.put(path, method.newAdapter(site, own));
      }
      return result;
    } catch (RuntimeException e) {
      close(result);
      throw e;
    }
  }

  private void swap(Map<String, LayerAdapter> made, Set<String> off) {
    Map<String, AdaptedLayer> layers = model.layers();
    made.forEach(
        (path, adapter) -> {
          AdaptedLayer layer = Objects.requireNonNull(layers.get(path));
          layer.delete(name);
          layer.add(name, adapter);
          adapter
              .weights()
              .forEach(
                  weight ->
                      weight
                          .parameter()
                          .requiresGrad(
                              model.isTrained(name) && weight.role() == LayerAdapter.Role.TRAINED));
        });
    for (String path : off) {
      AdaptedLayer layer = Objects.requireNonNull(layers.get(path));
      layer.delete(name);
      if (layer.adapters().isEmpty()) {
        ModulePath.replace(model.base().root(), path, layer.original());
      }
    }
  }
}
