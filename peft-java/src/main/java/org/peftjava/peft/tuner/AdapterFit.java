package org.peftjava.peft.tuner;

import java.util.Collection;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Whether a new adapter may stand beside those that a model has. */
final class AdapterFit {
  private static final Logger LOG = LoggerFactory.getLogger(TunedModel.class);

  private AdapterFit() {}

  /**
   * Throws unless it may.
   *
   * @param mixed whether adapters may be of different types
   */
  static void check(
      String name, TunerConfig config, Collection<TunerConfig> others, boolean mixed) {
    if (mixed) {
      Nests.check(config.peftType());
    }
    for (TunerConfig other : others) {
      if (!mixed && !other.peftType().equals(config.peftType())) {
        throw new IllegalArgumentException(
            "Cannot combine adapters of different types: this model has "
                + other.peftType()
                + " adapters, \""
                + name
                + "\" is "
                + config.peftType()
                + ". Ask for a mixed model with mixed(true).");
      }
      if (trainsBiases(other) && trainsBiases(config)) {
        throw new IllegalArgumentException(
            "Only one adapter of a model can train biases of the base. Set bias to none for \""
                + name
                + "\".");
      }
    }
    if (TunerMethods.get(config.peftType()) instanceof TunerMethod<?> method) {
      checkBeside(method, config, others);
    }
    String prefix = TunerMethods.get(config.peftType()).prefix();
    if (prefix.contains(name)) {
      LOG.warn(
          "Adapter name \"{}\" is part of the parameter prefix \"{}\"; use another one.",
          name,
          prefix);
    }
  }

  private static <C extends TunerConfig> void checkBeside(
      TunerMethod<C> method, TunerConfig config, Collection<TunerConfig> others) {
    method.checkBeside(method.configType().cast(config), others);
  }

  private static boolean trainsBiases(TunerConfig config) {
    return Trainability.bias(config) != TunerMethod.BiasTraining.NONE;
  }
}
