package org.peftjava.peft.tuner;

import java.util.Arrays;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Collects the fields that choose layers, by name and by number, and those left out.
 *
 * @param <B> the builder itself
 */
public abstract class LayerConfigBuilder<B extends LayerConfigBuilder<B>>
    extends NumberedConfigBuilder<B> {
  /** Starts from these values of adapter_config.json. */
  protected LayerConfigBuilder(Map<String, ? extends @Nullable Object> values) {
    super(values);
  }

  /** Modules to leave out, by names or pattern. */
  public final B excludeModules(TargetModules value) {
    return set("exclude_modules", value.toField());
  }

  /** Modules to leave out, by name. */
  public final B excludeModules(String... value) {
    return set("exclude_modules", Arrays.asList(value));
  }
}
