package org.peftjava.peft.tuner;

import java.util.Arrays;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Collects the fields that choose layers, by name and by number.
 *
 * @param <B> the builder itself
 */
public abstract class NumberedConfigBuilder<B extends NumberedConfigBuilder<B>>
    extends TargetConfigBuilder<B> {
  /** Starts from these values of adapter_config.json. */
  protected NumberedConfigBuilder(Map<String, ? extends @Nullable Object> values) {
    super(values);
  }

  /** Numbers of the layers to which the names in targetModules are restricted. */
  public final B layersToTransform(int... value) {
    return set("layers_to_transform", Arrays.stream(value).boxed().toList());
  }

  /** Names of the module lists that layersToTransform counts in. */
  public final B layersPattern(String... value) {
    return set("layers_pattern", Arrays.asList(value));
  }
}
