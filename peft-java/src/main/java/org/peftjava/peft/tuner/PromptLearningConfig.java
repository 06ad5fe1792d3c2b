package org.peftjava.peft.tuner;

import java.util.OptionalInt;

/**
 * The config of a method that learns virtual tokens and leaves the layers alone: what all of them
 * say about the tokens and the model.
 *
 * <p>Immutable. What is said about the model is filled in from the model when the config is applied
 * to it. Reference: PEFT {@code config.py::PromptLearningConfig}.
 */
public abstract class PromptLearningConfig implements TunerConfig {
  private final ConfigFields fields;

  /** Keeps checked fields. */
  protected PromptLearningConfig(ConfigFields fields) {
    this.fields = fields;
  }

  /** Begins the schema of such a config, with the fields that all of them have. */
  protected static ConfigSchema.Builder schema(String owner, String peftType) {
    ConfigSchema.Builder builder = ConfigSchema.of(owner, peftType);
    for (String name : PromptFields.NUMBERS) {
      builder.optionalInteger(name, 1);
    }
    return builder.texts("modules_to_save");
  }

  @Override
  public final ConfigFields fields() {
    return fields;
  }

  /** The config with what follows from its other fields, as a model is given it. */
  public PromptLearningConfig settled() {
    return this;
  }

  /** Number of virtual tokens. */
  public final OptionalInt numVirtualTokens() {
    return number(PromptFields.VIRTUAL_TOKENS);
  }

  /** Size of a virtual token's vector; of a prefix, of one layer's key or value. */
  public final OptionalInt tokenDim() {
    return number(PromptFields.TOKEN_DIM);
  }

  /** 2 for a model with encoder and decoder, else 1. */
  public final OptionalInt numTransformerSubmodules() {
    return number(PromptFields.SUBMODULES);
  }

  /** Number of attention heads; of a prefix, of heads that are asked. */
  public final OptionalInt numAttentionHeads() {
    return number(PromptFields.HEADS);
  }

  /** Number of layers. */
  public final OptionalInt numLayers() {
    return number(PromptFields.LAYERS);
  }

  /** Number of vectors that are learned: virtual tokens times submodules. */
  public final int totalVirtualTokens() {
    return required(PromptFields.VIRTUAL_TOKENS) * required(PromptFields.SUBMODULES);
  }

  /** A number that a config needs before it can be applied to a model. */
  public final int required(String name) {
    if (fields.get(name) == null) {
      throw fields.invalid(name, "must be set");
    }
    return fields.integer(name);
  }

  /** A number that may be absent. */
  protected final OptionalInt number(String name) {
    return fields.get(name) == null ? OptionalInt.empty() : OptionalInt.of(fields.integer(name));
  }

  @Override
  public final boolean equals(Object other) {
    return other instanceof PromptLearningConfig config
        && getClass() == config.getClass()
        && fields.equals(config.fields);
  }

  @Override
  public final int hashCode() {
    return fields.hashCode();
  }

  @Override
  public final String toString() {
    return fields.toString();
  }
}
