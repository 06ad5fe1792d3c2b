package org.peftjava.peft.tuner;

import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.peftjava.peft.tuner.TargetMatcher.Match;
import org.peftjava.torch.nn.Module;

/**
 * A tuning method that adapts single layers, such as LoRA: which modules it takes, and what adapter
 * it puts on a layer.
 *
 * @param <C> its config
 */
public interface TunerMethod<C extends TunerConfig> extends AdapterMethod<C> {
  /** Which biases of the base model are trained together with the adapter. */
  enum BiasTraining {
    /** None. */
    NONE,
    /** All biases of the model. */
    ALL,
    /** Those of the adapted layers. */
    ADAPTED
  }

  /** Throws if the config asks for something that this version cannot do. */
  void checkSupported(C config);

  /** Throws if the config cannot be that of one more adapter beside those of a model. */
  default void checkBeside(C config, Collection<TunerConfig> others) {}

  /** Whether new adapters are made from the base weights again whenever their file is loaded. */
  default boolean readsBaseWeights() {
    return false;
  }

  /** The config with defaults that depend on the model. */
  default C prepared(C config, BaseModel model) {
    return config;
  }

  /** What the config says about the modules to adapt. */
  TargetSpec targets(C config);

  /** The default modules for an architecture. */
  Optional<List<String>> defaultTargets(String modelType);

  /** The modules that the config selects. */
  default Match match(C config, BaseModel model) {
    return TargetMatcher.match(model, targets(config), this::defaultTargets);
  }

  /** The config with the modules to adapt as they turned out. */
  default C targeted(C config, TargetModules targets) {
    return configType().cast(config.with("target_modules", targets.toField()));
  }

  /** Whether the method can adapt the module. */
  boolean canAdapt(Module layer);

  /** The kinds of module that it can adapt, for messages. */
  String adaptable();

  /**
   * What Python calls an adapted layer, such as "lora.Linear".
   *
   * @param kind of layer, such as "Linear"
   */
  default String layerType(String kind) {
    return peftType().toLowerCase(Locale.ROOT) + "." + kind;
  }

  /** What to warn about, given the modules that will be adapted. */
  List<String> warnings(C config, Map<String, Module> layers);

  /** The config with what the adapted layers settle, such as how their weights are stored. */
  C settled(C config, Map<String, Module> layers);

  /**
   * What all layers of a new adapter share.
   *
   * @param layers the layers that will be adapted, by path
   */
  default SharedWeights newShared(C config, Map<String, Module> layers) {
    return SharedWeights.NONE;
  }

  /** Tokens that are trained beside the adapter. */
  default TokenTargets tokens(C config) {
    return TokenTargets.NONE;
  }

  /**
   * Layers that get another layer's adapter because they share its weight: their paths and its.
   *
   * @param paths the modules that the config selects
   */
  default Map<String, String> ties(C config, BaseModel model, List<String> paths) {
    return Map.of();
  }

  /**
   * The adapter of a layer that shares the weight of another one.
   *
   * @param owner the other layer's adapter
   * @param together whether all layers of that weight have this adapter
   */
  default LayerAdapter tiedAdapter(LayerSite site, C config, LayerAdapter owner, boolean together) {
    throw new IllegalStateException(peftType() + " does not tie adapters.");
  }

  /** Parameters that are adapted without a layer of their own. */
  default ParameterTargets parameters(C config, BaseModel model) {
    return ParameterTargets.NONE;
  }

  /** A new adapter for parameters of one layer. */
  default LayerAdapter newParameterAdapter(LayerSite site, C config, List<String> names) {
    throw new IllegalStateException(peftType() + " does not adapt single parameters.");
  }

  /** A new adapter for one layer. */
  LayerAdapter newAdapter(LayerSite site, C config);

  /**
   * What an adapter does in training besides forward and backward passes, if anything.
   *
   * @param adapters what {@link #newAdapter} made, by path
   */
  default Optional<AdapterTraining<C>> training(C config, Map<String, LayerAdapter> adapters) {
    return Optional.empty();
  }

  /** Which biases of the base model are trained too. */
  BiasTraining bias(C config);
}
