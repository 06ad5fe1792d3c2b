package org.peftjava.peft.tuner.adaptionprompt;

import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.peft.tuner.TunerConfigBuilder;

/**
 * The configuration of adaption prompts (LLaMA-Adapter), immutable.
 *
 * <p>Paper: arXiv:2303.16199. Reference: PEFT {@code tuners/adaption_prompt/config.py}.
 */
public final class AdaptionPromptConfig extends LayerTunerConfig {
  static final String TARGET = "target_modules";
  static final String LENGTH = "adapter_len";
  static final String LAYERS = "adapter_layers";

  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("AdaptionPromptConfig", "ADAPTION_PROMPT")
          .optionalText(TARGET)
          .optionalInteger(LENGTH, 1)
          .optionalInteger(LAYERS, 1)
          .build();

  private AdaptionPromptConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static AdaptionPromptConfig of(Map<String, ? extends @Nullable Object> values) {
    return new AdaptionPromptConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  @Override
  public AdaptionPromptConfig with(String field, @Nullable Object value) {
    return new AdaptionPromptConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** The attention modules, by their one name. */
  @Override
  public TargetModules targetModules() {
    return fields()
        .text(TARGET)
        .map(name -> TargetModules.names(name))
        .orElseGet(TargetModules::modelDefault);
  }

  /** Number of vectors in a layer; must be set to make an adapter. */
  public OptionalInt adapterLen() {
    return number(LENGTH);
  }

  /** Number of layers, counted from the top; must be set to make an adapter. */
  public OptionalInt adapterLayers() {
    return number(LAYERS);
  }

  private OptionalInt number(String name) {
    return fields().get(name) == null
        ? OptionalInt.empty()
        : OptionalInt.of(fields().integer(name));
  }

  int required(String name) {
    return number(name).orElseThrow(() -> fields().invalid(name, "must be set"));
  }

  /** Collects the fields of an {@link AdaptionPromptConfig}. */
  public static final class Builder extends TunerConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Name of the attention modules; the architecture's. */
    public Builder targetModules(String value) {
      return set(TARGET, value);
    }

    /** Number of vectors in a layer; must be set. */
    public Builder adapterLen(int value) {
      return set(LENGTH, value);
    }

    /** Number of layers, counted from the top; must be set. */
    public Builder adapterLayers(int value) {
      return set(LAYERS, value);
    }

    /** The config, checked. */
    public AdaptionPromptConfig build() {
      return of(values());
    }
  }
}
