package org.peftjava.peft.tuner;

import java.util.Arrays;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Collects the fields that every prompt learning config has.
 *
 * @param <B> the builder itself
 */
public abstract class PromptConfigBuilder<B extends PromptConfigBuilder<B>>
    extends TunerConfigBuilder<B> {
  /** Starts from these values of adapter_config.json. */
  protected PromptConfigBuilder(Map<String, ? extends @Nullable Object> values) {
    super(values);
  }

  /** Number of virtual tokens; must be set. */
  public final B numVirtualTokens(int value) {
    return set(PromptFields.VIRTUAL_TOKENS, value);
  }

  /** Size of a virtual token's vector; the model's. */
  public final B tokenDim(int value) {
    return set(PromptFields.TOKEN_DIM, value);
  }

  /** Number of transformers that get virtual tokens; 2 for encoder and decoder, else 1. */
  public final B numTransformerSubmodules(int value) {
    return set(PromptFields.SUBMODULES, value);
  }

  /** Number of attention heads; the model's. */
  public final B numAttentionHeads(int value) {
    return set(PromptFields.HEADS, value);
  }

  /** Number of layers; the model's. */
  public final B numLayers(int value) {
    return set(PromptFields.LAYERS, value);
  }

  /** Modules to train and save in full besides the virtual tokens, such as a new head. */
  public final B modulesToSave(String... value) {
    return set("modules_to_save", Arrays.asList(value));
  }
}
