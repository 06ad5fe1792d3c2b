package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import org.peftjava.peft.tuner.TargetMatcher.Match;
import org.peftjava.torch.nn.AttentionLayer;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModulePath;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.nn.StackLayer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Puts the adapters of one config onto the layers that it targets.
 *
 * <p>Reference: PEFT {@code BaseTuner.inject_adapter}. All checks come first and all adapters are
 * made before the model changes, so that an error leaves it as it was.
 *
 * @param <C> the method's config
 */
public final class LayerInjector<C extends TunerConfig> {
  private static final Logger LOG = LoggerFactory.getLogger(LayerInjector.class);

  private final BaseModel model;
  private final AdapterSet set;
  private final TunerMethod<C> method;

  /**
   * What was done.
   *
   * @param config with targets and the like as they turned out
   * @param paths the adapted modules
   * @param modulesToSave the modules with a full copy
   * @param shared what the layers of the adapter share
   * @param changes what is still to be changed in base weights
   * @param warnings what is probably a mistake; also logged
   */
  public record Injection(
      TunerConfig config,
      List<String> paths,
      List<String> modulesToSave,
      SharedWeights shared,
      BaseChanges changes,
      List<String> warnings) {}

  private LayerInjector(BaseModel model, AdapterSet set, TunerMethod<C> method) {
    this.model = model;
    this.set = set;
    this.method = method;
  }

  /** Adds adapter {@code name} to the model; it does not act before it is activated. */
  public static Injection inject(
      BaseModel model, AdapterSet set, TunerConfig config, String name, AddOptions options) {
    return inject(model, set, TunerMethods.ofLayers(config.peftType()), config, name, options);
  }

  private static <C extends TunerConfig> Injection inject(
      BaseModel model,
      AdapterSet set,
      TunerMethod<C> method,
      TunerConfig config,
      String name,
      AddOptions options) {
    return new LayerInjector<>(model, set, method)
        .add(method.configType().cast(config), name, options);
  }

  private Injection add(C given, String name, AddOptions options) {
    set.checkNew(name);
    if (method.readsBaseWeights() && !set.merged().isEmpty()) {
      throw new IllegalStateException(
          "Adapters "
              + set.merged()
              + " are merged, and the new one is made from the base weights. Unmerge them first.");
    }
    method.checkSupported(given);
    C prepared = method.prepared(given, model);
    Match match = method.match(prepared, model);
    Map<String, String> ties = method.ties(prepared, model, match.paths());
    Map<String, Module> layers = originals(match.paths());
    layers.keySet().removeAll(ties.keySet());
    TokenPlan tokens =
        TokenPlan.of(model, method.tokens(prepared), layers.keySet(), match.modulesToSave());
    ParameterTargets parameters = method.parameters(prepared, model);
    parameters.check(model, layers.keySet(), match.modulesToSave());
    Map<String, Module> saved = originals(match.modulesToSave());
    layers.forEach(this::checkAdaptable);
    Map<String, String> savedTies = savedTies(prepared, match, layers);
    saved.forEach(TrainedInFull::checkCopyable);
    C config = method.settled(method.targeted(prepared, match.targets()), layers);
    List<String> warnings = new ArrayList<>(match.warnings());
    warnings.addAll(method.warnings(given, withParameters(layers, parameters)));
    warnings.addAll(tokens.warnings());
    warnings.forEach(LOG::warn);

    SharedWeights shared = method.newShared(config, layers);
    BaseChanges changes = new BaseChanges();
    Map<String, LayerAdapter> adapters =
        newAdapters(new Places(layers, ties, tokens, parameters), config, options, shared, changes);
    set.add(name);
    adapters.forEach(
        (path, adapter) -> adaptedLayer(path, adapter.changesParameters()).add(name, adapter));
    saved.keySet().forEach(path -> TrainedInFull.at(model, set, path).add(name));
    savedTies.forEach(
        (path, owner) ->
            TrainedInFull.at(model, set, path).addTied(name, TrainedInFull.at(model, set, owner)));
    return new Injection(
        config, match.paths(), match.modulesToSave(), shared, changes, List.copyOf(warnings));
  }

  /** All that patterns may mean: layers, and parameters with the layers that have them. */
  private Map<String, Module> withParameters(
      Map<String, Module> layers, ParameterTargets parameters) {
    Map<String, Module> result = new LinkedHashMap<>(layers);
    parameters
        .names()
        .forEach(
            (path, names) ->
                names.forEach(name -> result.put(path + "." + name, model.original(path))));
    return result;
  }

  /** Modules that get the full copy of another one whose weight they share: their paths and its. */
  private Map<String, String> savedTies(C config, Match match, Map<String, Module> layers) {
    Map<String, String> result = new LinkedHashMap<>();
    String table = model.inputEmbeddings().orElse("");
    if (config.ensureWeightTying() && match.modulesToSave().contains(table)) {
      for (String path : model.tiedTo(table)) {
        if (layers.containsKey(path)
            || ModulePath.get(model.root(), path) instanceof AdaptedLayer) {
          throw new IllegalArgumentException(
              "Module \""
                  + path
                  + "\" shares the weight of \""
                  + table
                  + "\", which is trained in full, and cannot be adapted too. Leave it out of"
                  + " targetModules.");
        }
        TrainedInFull.checkCopyable(path, model.original(path));
        result.put(path, table);
      }
    }
    return result;
  }

  private Map<String, Module> originals(List<String> paths) {
    Map<String, Module> result = new LinkedHashMap<>();
    paths.forEach(path -> result.put(path, model.original(path)));
    return result;
  }

  private void checkAdaptable(String path, Module layer) {
    if (ModulePath.get(model.root(), path) instanceof SavedModule) {
      throw new IllegalArgumentException(
          "Module \""
              + path
              + "\" is trained in full by another adapter (modulesToSave) and cannot be adapted"
              + " too. Leave it out with excludeModules.");
    }
    if (!method.canAdapt(layer)) {
      throw new IllegalArgumentException(
          "targetModules selects \""
              + path
              + "\", a "
              + layer.getClass().getSimpleName()
              + ", which "
              + method.peftType()
              + " cannot adapt. It can adapt "
              + method.adaptable()
              + ".");
    }
  }

  /**
   * What a new adapter is put on.
   *
   * @param layers by path
   * @param ties layers that get another one's adapter
   */
  private record Places(
      Map<String, Module> layers,
      Map<String, String> ties,
      TokenPlan tokens,
      ParameterTargets parameters) {}

  private Map<String, LayerAdapter> newAdapters(
      Places places, C config, AddOptions options, SharedWeights shared, BaseChanges changes) {
    Map<String, LayerAdapter> result = new LinkedHashMap<>();
    try {
      places.layers().values().stream()
          .findFirst()
          .map(LayerSite::deviceOf)
          .ifPresent(device -> shared.weights().forEach(weight -> weight.parameter().to(device)));
      Function<String, LayerSite> site =
          path -> LayerSite.of(path, model.original(path), options, shared, changes, set);
      places
          .layers()
          .keySet()
          .forEach(path -> result.put(path, method.newAdapter(site.apply(path), config)));
      places
          .ties()
          .forEach(
              (path, owner) ->
                  result.put(
                      path,
                      method.tiedAdapter(
                          site.apply(path),
                          config,
                          Objects.requireNonNull(result.get(owner)),
                          places.ties().keySet().containsAll(model.tiedTo(owner)))));
      places
          .parameters()
          .names()
          .forEach(
              (path, names) ->
                  result.put(path, method.newParameterAdapter(site.apply(path), config, names)));
      places.tokens().addTo(result, site);
      checkChangeable(changes);
      if (options.lowCpuMemUsage()) {
        dropValues(shared.weights());
        result.values().forEach(adapter -> dropValues(adapter.weights()));
      }
    } catch (RuntimeException e) {
      result.values().forEach(a -> a.weights().forEach(weight -> weight.parameter().close()));
      shared.close();
      changes.close();
      throw e;
    }
    return result;
  }

  /** Leaves weights that a file holds without memory. */
  private static void dropValues(List<LayerAdapter.Weight> weights) {
    weights.stream()
        .filter(LayerAdapter.Weight::isSaved)
        .forEach(weight -> weight.parameter().close());
  }

  private void checkChangeable(BaseChanges changes) {
    if (!changes.isEmpty() && !set.merged().isEmpty()) {
      throw new IllegalStateException(
          "Adapters "
              + set.merged()
              + " are merged, and the new one changes the base weights. Unmerge them first.");
    }
    IdentityHashMap<Parameter, Integer> places = new IdentityHashMap<>();
    model.root().namedState().values().forEach(value -> places.merge(value, 1, Integer::sum));
    for (LinearLayer layer : changes.layers()) {
      Parameter weight = ((Module) layer).ownParameters().get("weight");
      if (weight != null && places.getOrDefault(weight, 0) > 1) {
        throw new IllegalArgumentException(
            "The new adapter changes the base weights, and a layer that it targets shares its"
                + " weight with another one (a head tied to the embedding). Leave it out of"
                + " targetModules, or initialize with initLoraWeights(true).");
      }
    }
  }

  private AdaptedLayer adaptedLayer(String path, boolean ofParameters) {
    Module present = ModulePath.get(model.root(), path);
    if (present instanceof AdaptedLayer layer) {
      return layer;
    }
    AdaptedLayer layer;
    if (present instanceof LinearLayer) {
      layer = new AdaptedLinear(set, present);
    } else if (present instanceof EmbeddingLayer) {
      layer = new AdaptedEmbedding(set, present);
    } else if (ofParameters) {
      layer = new AdaptedModule(set, present);
    } else if (present instanceof AttentionLayer<?>) {
      layer = AdaptedAttention.over(set, present);
    } else if (present instanceof StackLayer<?>) {
      layer = AdaptedDecoderLayer.over(set, present);
    } else {
      layer = new AdaptedNorm(set, present);
    }
    ModulePath.replace(model.root(), path, layer);
    return layer;
  }
}
