package org.peftjava.peft.tuner;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Collects the fields of a method whose virtual tokens may start as those of a text.
 *
 * @param <B> the builder itself
 */
public abstract class TextPromptConfigBuilder<B extends TextPromptConfigBuilder<B>>
    extends PromptConfigBuilder<B> {
  /** Starts from these values of adapter_config.json. */
  protected TextPromptConfigBuilder(Map<String, ? extends @Nullable Object> values) {
    super(values);
  }

  /** The text whose tokens the virtual tokens start as; repeated or cut to their number. */
  public final B promptTuningInitText(String value) {
    return set("prompt_tuning_init_text", value);
  }

  /** Id or folder of the tokenizer that splits the text. */
  public final B tokenizerNameOrPath(String value) {
    return set("tokenizer_name_or_path", value);
  }

  /** Python's options for loading the tokenizer. */
  public final B tokenizerKwargs(Map<String, ?> value) {
    return set("tokenizer_kwargs", value);
  }
}
