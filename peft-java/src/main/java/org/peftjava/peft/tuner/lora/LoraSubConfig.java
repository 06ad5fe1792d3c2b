package org.peftjava.peft.tuner.lora;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;

/**
 * Options of one variant of LoRA or one way to start, such as EVA: an object within the config of
 * LoRA. Immutable.
 */
public abstract sealed class LoraSubConfig
    permits EvaConfig,
        CordaConfig,
        LoraGAConfig,
        KasaConfig,
        VeloraConfig,
        MontecloraConfig,
        ArrowConfig {
  private final ConfigFields fields;

  LoraSubConfig(ConfigFields fields) {
    this.fields = fields;
  }

  final ConfigFields fields() {
    return fields;
  }

  /** All values by their names in adapter_config.json. */
  public final Map<String, @Nullable Object> values() {
    return fields.values();
  }

  @Override
  public final boolean equals(Object other) {
    return other instanceof LoraSubConfig config && fields.equals(config.fields);
  }

  @Override
  public final int hashCode() {
    return fields.hashCode();
  }

  @Override
  public final String toString() {
    return fields.toString();
  }

  /**
   * Collects options.
   *
   * @param <B> the builder itself
   */
  abstract static class Builder<B extends Builder<B>> {
    private final Map<String, @Nullable Object> values = new LinkedHashMap<>();

    abstract B self();

    final B set(String field, @Nullable Object value) {
      values.put(field, value);
      return self();
    }

    final Map<String, @Nullable Object> values() {
      return values;
    }
  }
}
