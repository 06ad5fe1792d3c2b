package org.peftjava.peft.tuner;

import java.util.Locale;

/**
 * A method that learns virtual tokens: how its config is read and what computes its tokens.
 *
 * @param <C> its config
 */
public abstract class PromptLearningMethod<C extends PromptLearningConfig>
    implements AdapterMethod<C> {
  /** Where virtual tokens stand. */
  public enum Place {
    /** In front of the token embeddings. */
    EMBEDDINGS,
    /** In front of each layer's keys and values. */
    KEY_VALUES
  }

  private final String peftType;
  private final String encoderClass;
  private final Class<C> configType;
  private final Place place;

  /**
   * For subclasses.
   *
   * @param peftType such as "PROMPT_TUNING"
   * @param encoderClass Python's class of the encoder, such as "PromptEmbedding"
   */
  protected PromptLearningMethod(
      String peftType, String encoderClass, Class<C> configType, Place place) {
    this.peftType = peftType;
    this.encoderClass = encoderClass;
    this.configType = configType;
    this.place = place;
  }

  @Override
  public final String peftType() {
    return peftType;
  }

  @Override
  public final String modelClass() {
    return encoderClass;
  }

  @Override
  public final String prefix() {
    return peftType.toLowerCase(Locale.ROOT) + "_";
  }

  @Override
  public final Class<C> configType() {
    return configType;
  }

  /** Where the method's virtual tokens stand. */
  public final Place place() {
    return place;
  }

  /**
   * A new encoder without values yet: trainable, or if the config is for inference, what a file's
   * tokens are read into.
   */
  public abstract PromptEncoder newEncoder(C config, PromptSite site);
}
