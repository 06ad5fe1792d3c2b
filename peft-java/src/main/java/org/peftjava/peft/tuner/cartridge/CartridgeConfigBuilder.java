package org.peftjava.peft.tuner.cartridge;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.PromptConfigBuilder;

/** Collects the fields of a {@link CartridgeConfig}. */
public final class CartridgeConfigBuilder extends PromptConfigBuilder<CartridgeConfigBuilder> {
  CartridgeConfigBuilder(Map<String, ? extends @Nullable Object> values) {
    super(values);
  }

  @Override
  protected CartridgeConfigBuilder self() {
    return this;
  }

  /** How many of the first virtual tokens are not trained; 1. */
  public CartridgeConfigBuilder numFrozenTokens(int value) {
    return set("num_frozen_tokens", value);
  }

  /** The config, checked. */
  public CartridgeConfig build() {
    return CartridgeConfig.of(values());
  }
}
