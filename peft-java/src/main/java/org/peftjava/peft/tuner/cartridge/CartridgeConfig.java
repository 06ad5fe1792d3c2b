package org.peftjava.peft.tuner.cartridge;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.PromptFields;
import org.peftjava.peft.tuner.PromptLearningConfig;

/**
 * The configuration of a cartridge, immutable: how many keys and values stand in front of each
 * layer's, and how many of the first stay as they are.
 *
 * <p>Paper: arXiv:2506.06266. Reference: PEFT {@code tuners/cartridge/config.py}.
 */
public final class CartridgeConfig extends PromptLearningConfig {
  static final String PEFT_TYPE = "CARTRIDGE";

  private static final String FROZEN = "num_frozen_tokens";

  private static final ConfigSchema SCHEMA =
      schema("CartridgeConfig", PEFT_TYPE)
          .integer(FROZEN, 1, 0)
          .rule(
              fields -> {
                if (fields.get(PromptFields.VIRTUAL_TOKENS) != null
                    && fields.integer(FROZEN) > fields.integer(PromptFields.VIRTUAL_TOKENS)) {
                  throw fields.invalid(FROZEN, "must be numVirtualTokens or less");
                }
              })
          .build();

  private CartridgeConfig(ConfigFields fields) {
    super(fields);
  }

  /** A builder with Python's defaults. */
  public static CartridgeConfigBuilder builder() {
    return new CartridgeConfigBuilder(Map.of());
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static CartridgeConfig of(Map<String, ? extends @Nullable Object> values) {
    return new CartridgeConfig(SCHEMA.read(values));
  }

  /** A builder that starts from this config. */
  public CartridgeConfigBuilder toBuilder() {
    return new CartridgeConfigBuilder(fields().values());
  }

  @Override
  public CartridgeConfig with(String field, @Nullable Object value) {
    return new CartridgeConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** How many of the first virtual tokens are not trained. */
  public int numFrozenTokens() {
    return fields().integer(FROZEN);
  }
}
