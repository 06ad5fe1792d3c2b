package org.peftjava.peft.tuner;

import java.util.Arrays;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Collects the fields that choose modules and that every such config has.
 *
 * @param <B> the builder itself
 */
public abstract class TargetConfigBuilder<B extends TargetConfigBuilder<B>>
    extends TunerConfigBuilder<B> {
  /** Starts from these values of adapter_config.json. */
  protected TargetConfigBuilder(Map<String, ? extends @Nullable Object> values) {
    super(values);
  }

  /** The modules to adapt; the architecture's default. */
  public final B targetModules(TargetModules value) {
    return set("target_modules", value.toField());
  }

  /** The modules to adapt, by name: the whole path, or its end after a dot. Not patterns. */
  public final B targetModules(String... value) {
    return set("target_modules", Arrays.asList(value));
  }

  /** Modules to train and save in full besides the adapter, such as a new head. */
  public final B modulesToSave(String... value) {
    return set("modules_to_save", Arrays.asList(value));
  }
}
