package org.peftjava.peft.tuner;

import java.util.List;
import java.util.Optional;

/**
 * The config of a method that adapts single layers: what all of them say about the layers.
 *
 * <p>Subclasses are immutable and keep Python's field names in camelCase; equal fields make equal
 * configs.
 */
public abstract class LayerTunerConfig implements TunerConfig {
  private final ConfigFields fields;

  /** Keeps checked fields. */
  protected LayerTunerConfig(ConfigFields fields) {
    this.fields = fields;
  }

  @Override
  public final ConfigFields fields() {
    return fields;
  }

  /** The modules to adapt. */
  public TargetModules targetModules() {
    return TargetModules.ofField(fields, "target_modules");
  }

  /** The modules left out, names or pattern. */
  public final Optional<TargetModules> excludeModules() {
    return fields.isSet("exclude_modules")
        ? Optional.of(TargetModules.ofField(fields, "exclude_modules"))
        : Optional.empty();
  }

  /** Numbers of the layers to adapt; empty for all. */
  public final List<Integer> layersToTransform() {
    return TargetFields.layers(fields);
  }

  /** Names of the module lists in which layers are counted; empty for any. */
  public final List<String> layersPattern() {
    return TargetFields.oneOrMore(fields, "layers_pattern");
  }

  @Override
  public final boolean equals(Object other) {
    return other instanceof LayerTunerConfig config
        && getClass() == config.getClass()
        && fields.equals(config.fields);
  }

  @Override
  public final int hashCode() {
    return fields.hashCode();
  }

  @Override
  public final String toString() {
    return fields.toString();
  }
}
