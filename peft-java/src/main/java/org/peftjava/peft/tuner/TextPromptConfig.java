package org.peftjava.peft.tuner;

import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The config of a method whose virtual tokens may start as those of a text.
 *
 * <p>Reference: PEFT {@code tuners/prompt_tuning/config.py::PromptTuningConfig}.
 */
public abstract class TextPromptConfig extends PromptLearningConfig {
  /** The field that says how the virtual tokens start. */
  protected static final String INIT = "prompt_tuning_init";

  /** How virtual tokens start as those of a text. */
  protected static final String TEXT = "TEXT";

  private static final String INIT_TEXT = "prompt_tuning_init_text";
  private static final String TOKENIZER = "tokenizer_name_or_path";
  private static final String TOKENIZER_OPTIONS = "tokenizer_kwargs";

  /** Keeps checked fields. */
  protected TextPromptConfig(ConfigFields fields) {
    super(fields);
  }

  /** Begins the schema of such a config. */
  protected static ConfigSchema.Builder schema(String owner, String peftType, String... inits) {
    return schema(owner, peftType)
        .oneOf(INIT, "RANDOM", inits)
        .optionalText(INIT_TEXT)
        .optionalText(TOKENIZER)
        .object(TOKENIZER_OPTIONS)
        .rule(TextPromptConfig::check);
  }

  private static void check(ConfigFields fields) {
    boolean fromText = TEXT.equals(fields.get(INIT));
    if (fromText && fields.text(TOKENIZER).orElse("").isEmpty()) {
      throw fields.invalid(TOKENIZER, "must be set when promptTuningInit is TEXT");
    }
    if (fromText && fields.text(INIT_TEXT).isEmpty()) {
      throw fields.invalid(INIT_TEXT, "must be set when promptTuningInit is TEXT");
    }
    if (!fromText && fields.isSet(TOKENIZER_OPTIONS)) {
      throw fields.invalid(TOKENIZER_OPTIONS, "has a use only when promptTuningInit is TEXT");
    }
  }

  /** The text whose tokens the virtual tokens start as. */
  public final Optional<String> promptTuningInitText() {
    return fields().text(INIT_TEXT);
  }

  /** Id or folder of the tokenizer that splits the text. */
  public final Optional<String> tokenizerNameOrPath() {
    return fields().text(TOKENIZER);
  }

  /** Python's options for loading the tokenizer. */
  public final Optional<Map<String, @Nullable Object>> tokenizerKwargs() {
    return fields().object(TOKENIZER_OPTIONS);
  }

  /** Whether the virtual tokens start as those of the text. */
  protected final boolean startsAsText() {
    return TEXT.equals(fields().get(INIT));
  }
}
