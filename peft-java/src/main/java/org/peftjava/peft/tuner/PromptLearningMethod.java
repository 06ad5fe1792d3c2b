package org.peftjava.peft.tuner;

/**
 * A method that learns virtual tokens: how its config is read and what computes its tokens.
 *
 * @param <C> its config
 */
public interface PromptLearningMethod<C extends PromptLearningConfig> extends AdapterMethod<C> {
  /** Where virtual tokens stand. */
  enum Place {
    /** In front of the token embeddings. */
    EMBEDDINGS,
    /** In front of each layer's keys and values. */
    KEY_VALUES
  }

  /** Where the method's virtual tokens stand. */
  Place place();

  /**
   * A new encoder with values: trainable, or if the config is for inference, what a file's tokens
   * are read into.
   */
  PromptEncoder newEncoder(C config, PromptSite site);
}
