package org.peftjava.peft.tuner;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A tuning method of any kind, such as LoRA or prompt tuning.
 *
 * @param <C> its config
 */
public interface AdapterMethod<C extends TunerConfig> {
  /** The name in {@code peft_type}, such as "LORA". */
  String peftType();

  /** Python's class of the adapted model or of its encoder, such as "LoraModel". */
  String modelClass();

  /** How names of its parameters begin, such as "lora_". */
  String prefix();

  /** The class of its configs. */
  Class<C> configType();

  /** The config with these values of adapter_config.json. */
  C parse(Map<String, ? extends @Nullable Object> values);
}
