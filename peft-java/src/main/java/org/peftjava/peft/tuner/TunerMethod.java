package org.peftjava.peft.tuner;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.nn.Module;

/**
 * A tuning method, such as LoRA: how its config is read, which modules it takes, and what adapter
 * it puts on a layer.
 *
 * @param <C> its config
 */
public interface TunerMethod<C extends TunerConfig> {
  /** Which biases of the base model are trained together with the adapter. */
  enum BiasTraining {
    /** None. */
    NONE,
    /** All biases of the model. */
    ALL,
    /** Those of the adapted layers. */
    ADAPTED
  }

  /** The name in {@code peft_type}, such as "LORA". */
  String peftType();

  /** Python's class of the adapted model, such as "LoraModel". */
  String modelClass();

  /** How names of its parameters begin, such as "lora_". */
  String prefix();

  /** The class of its configs. */
  Class<C> configType();

  /** The config with these values of adapter_config.json. */
  C parse(Map<String, ? extends @Nullable Object> values);

  /** Throws if the config asks for something that this version cannot do. */
  void checkSupported(C config);

  /** The config with defaults that depend on the model. */
  default C prepared(C config, BaseModel model) {
    return config;
  }

  /** What the config says about the modules to adapt. */
  TargetSpec targets(C config);

  /** The default modules for an architecture. */
  Optional<List<String>> defaultTargets(String modelType);

  /** Whether the method can adapt the module. */
  boolean canAdapt(Module layer);

  /** The kinds of module that it can adapt, for messages. */
  String adaptable();

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

  /** A new adapter for one layer. */
  LayerAdapter newAdapter(LayerSite site, C config);

  /** Which biases of the base model are trained too. */
  BiasTraining bias(C config);
}
