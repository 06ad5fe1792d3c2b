package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.peftjava.torch.nn.Conv1D;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;

/**
 * What methods that adapt single layers have in common; a method says only what is its own.
 *
 * @param <C> its config
 */
public abstract class LayerTunerMethod<C extends LayerTunerConfig> implements TunerMethod<C> {
  private static final String TRANSPOSED = "fan_in_fan_out";

  private final String peftType;
  private final String modelClass;
  private final String prefix;
  private final Class<C> configType;
  private final DefaultTargets defaults;

  /**
   * For subclasses.
   *
   * @param peftType such as "LORA"
   * @param modelClass Python's class of the adapted model, such as "LoraModel"
   * @param prefix how names of its parameters begin, such as "lora_"
   */
  protected LayerTunerMethod(
      String peftType,
      String modelClass,
      String prefix,
      Class<C> configType,
      DefaultTargets defaults) {
    this.peftType = peftType;
    this.modelClass = modelClass;
    this.prefix = prefix;
    this.configType = configType;
    this.defaults = defaults;
  }

  @Override
  public final String peftType() {
    return peftType;
  }

  @Override
  public final String modelClass() {
    return modelClass;
  }

  @Override
  public final String prefix() {
    return prefix;
  }

  @Override
  public final Class<C> configType() {
    return configType;
  }

  @Override
  public void checkSupported(C config) {}

  @Override
  public TargetSpec targets(C config) {
    return new TargetSpec(
        config.targetModules(),
        config.excludeModules(),
        config.layersToTransform(),
        config.layersPattern(),
        config.modulesToSave(),
        false);
  }

  @Override
  public final Optional<List<String>> defaultTargets(String modelType) {
    return defaults.get(modelType);
  }

  @Override
  public boolean canAdapt(Module layer) {
    return layer instanceof LinearLayer;
  }

  @Override
  public String adaptable() {
    return "linear layers (Linear, Conv1D, quantized)";
  }

  /** Warns about a wrong fan_in_fan_out and about patterns that fit nothing. */
  @Override
  public List<String> warnings(C config, Map<String, Module> layers) {
    List<String> result = new ArrayList<>();
    Object given = config.fields().get(TRANSPOSED);
    Object settled = settled(config, layers).fields().get(TRANSPOSED);
    if (given != null && !given.equals(settled)) {
      result.add(
          "fanInFanOut is "
              + given
              + ", but the targeted layers are "
              + (Boolean.TRUE.equals(settled) ? "Conv1D" : "Linear")
              + ". It is set to "
              + settled
              + ".");
    }
    for (String field : List.of("rank_pattern", "alpha_pattern")) {
      addUnused(result, config, field, layers);
    }
    return result;
  }

  /** Warns about keys of a pattern field that fit nothing. */
  protected final void addUnused(
      List<String> warnings, C config, String field, Map<String, Module> layers) {
    if (config.fields().isSet(field)) {
      String name = ConfigFields.camelCase(field);
      List<String> unused =
          PatternValues.unused(config.fields().numbers(field).keySet(), layers.keySet(), name);
      if (!unused.isEmpty()) {
        warnings.add(name + " keys " + unused + " match no targeted module and are ignored.");
      }
    }
  }

  /** As in Python, the last targeted linear layer decides about fan_in_fan_out. */
  @Override
  public C settled(C config, Map<String, Module> layers) {
    C result = config;
    for (Module layer : layers.values()) {
      if (layer instanceof LinearLayer && result.fields().get(TRANSPOSED) instanceof Boolean now) {
        boolean transposed = layer instanceof Conv1D;
        if (now != transposed) {
          result = configType.cast(result.with(TRANSPOSED, transposed));
        }
      }
    }
    return result;
  }

  /** What the field "bias" says, where there is one: none, all, or those of adapted layers. */
  @Override
  public BiasTraining bias(C config) {
    Object value = config.fields().get("bias");
    if (value == null || value.equals("none")) {
      return BiasTraining.NONE;
    }
    return value.equals("all") ? BiasTraining.ALL : BiasTraining.ADAPTED;
  }

  /** The value of rank_pattern for a module, else the general one. */
  public static int rank(LayerTunerConfig config, String path) {
    return pattern(config, "rank_pattern", path)
        .orElseGet(() -> config.fields().integer("r"))
        .intValue();
  }

  /**
   * The value of alpha_pattern for a module, else the general one.
   *
   * @param field name of the general field, such as "alpha"
   */
  public static double alpha(LayerTunerConfig config, String field, String path) {
    return pattern(config, "alpha_pattern", path)
        .orElseGet(() -> config.fields().number(field))
        .doubleValue();
  }

  /** The value of a pattern field for a module, if one of its keys fits. */
  public static Optional<Number> pattern(LayerTunerConfig config, String field, String path) {
    Map<String, Number> values = config.fields().numbers(field);
    return PatternValues.keyFor(values.keySet(), path, ConfigFields.camelCase(field))
        .map(values::get);
  }

  /** The same for methods whose keys must begin behind a dot. */
  protected static Optional<Number> patternBehindDot(
      LayerTunerConfig config, String field, String path) {
    Map<String, Number> values = config.fields().numbers(field);
    return PatternValues.keyBehindDot(values.keySet(), path, ConfigFields.camelCase(field))
        .map(values::get);
  }
}
