package org.peftjava.peft.tuner.cartridge;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.PromptEncoder;
import org.peftjava.peft.tuner.PromptFields;
import org.peftjava.peft.tuner.PromptLearningMethod;
import org.peftjava.peft.tuner.PromptSite;

/**
 * Cartridges, arXiv:2506.06266: the cache of a long text, cut to a few tokens and trained itself.
 */
public final class CartridgeMethod extends PromptLearningMethod<CartridgeConfig> {
  /** The method. */
  public CartridgeMethod() {
    super(CartridgeConfig.PEFT_TYPE, "CartridgeEncoder", CartridgeConfig.class, Place.KEY_VALUES);
  }

  @Override
  public CartridgeConfig parse(Map<String, ? extends @Nullable Object> values) {
    return CartridgeConfig.of(values);
  }

  @Override
  public PromptEncoder newEncoder(CartridgeConfig config, PromptSite site) {
    long width =
        2L * config.required(PromptFields.LAYERS) * config.required(PromptFields.TOKEN_DIM);
    return new Cartridge(
        config.numFrozenTokens(), config.required(PromptFields.VIRTUAL_TOKENS), width);
  }
}
