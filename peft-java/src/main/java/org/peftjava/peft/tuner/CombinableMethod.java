package org.peftjava.peft.tuner;

import java.util.List;

/**
 * A tuning method that can make one adapter of several.
 *
 * @param <C> its config
 */
public interface CombinableMethod<C extends TunerConfig> {
  /**
   * The config of the combination.
   *
   * @param configs those of the adapters, the first of which gives what they cannot share
   * @throws IllegalArgumentException if they do not go together
   */
  C combinedConfig(List<C> configs, WeightedAdapterOptions options);

  /**
   * Gives one layer's new adapter its values.
   *
   * @param config the combined one
   * @param target made from it
   * @param sources the layer's adapters that are combined, at least one
   * @param weights one for each source
   */
  void combine(
      C config,
      LayerAdapter target,
      List<LayerAdapter> sources,
      double[] weights,
      WeightedAdapterOptions options);

  /** The targets of several adapters in one field: all names, or one pattern of all patterns. */
  static Object joinedTargets(List<TargetModules> targets, String field) {
    List<Class<?>> kinds = targets.stream().<Class<?>>map(Object::getClass).distinct().toList();
    if (kinds.size() > 1) {
      throw new IllegalArgumentException(
          "The adapters' "
              + ConfigFields.camelCase(field)
              + " are names for some and patterns for others: "
              + targets
              + ". They can be combined if all are of one kind.");
    }
    if (targets.stream().allMatch(TargetModules.Regex.class::isInstance)) {
      return String.join(
          "|", targets.stream().map(target -> "(" + target.toField() + ")").toList());
    }
    return targets.stream()
        .map(TargetModules.Names.class::cast)
        .flatMap(names -> names.names().stream())
        .distinct()
        .toList();
  }
}
