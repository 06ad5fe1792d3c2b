package org.peftjava.peft.tuner;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Collects the fields that every config has. Each method is the Python field of the same name; what
 * is not set has Python's default, given after the semicolon.
 *
 * @param <B> the builder itself
 */
public abstract class TunerConfigBuilder<B extends TunerConfigBuilder<B>> {
  private final Map<String, @Nullable Object> values;

  /** Starts from these values of adapter_config.json. */
  protected TunerConfigBuilder(Map<String, ? extends @Nullable Object> values) {
    this.values = new LinkedHashMap<>(values);
  }

  /** This. */
  protected abstract B self();

  /** Sets a field by its name in adapter_config.json. */
  protected final B set(String field, @Nullable Object value) {
    values.put(field, value);
    return self();
  }

  /** What was set. */
  protected final Map<String, @Nullable Object> values() {
    return Collections.unmodifiableMap(values);
  }

  /** What the model is for. */
  public final B taskType(TaskType value) {
    return set("task_type", value.name());
  }

  /** Class and library of the base model; written by saving when there is no task type. */
  public final B autoMapping(Map<String, String> value) {
    return set("auto_mapping", value);
  }

  /** Version of PEFT that the file says it is of. */
  public final B peftVersion(String value) {
    return set("peft_version", value);
  }

  /** Id or folder of the base model; filled in from the model when absent. */
  public final B baseModelNameOrPath(String value) {
    return set("base_model_name_or_path", value);
  }

  /** Revision of the base model. */
  public final B revision(String value) {
    return set("revision", value);
  }

  /** Whether the adapter is frozen; false. */
  public final B inferenceMode(boolean value) {
    return set("inference_mode", value);
  }
}
