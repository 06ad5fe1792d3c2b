package org.peftjava.peft.tuner;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/** What the adapted model is for. The names are those of adapter_config.json. */
public enum TaskType {
  /** One label per text. */
  SEQ_CLS,
  /** Text from text, with an encoder and a decoder. */
  SEQ_2_SEQ_LM,
  /** The next token. */
  CAUSAL_LM,
  /** One label per token. */
  TOKEN_CLS,
  /** Where in a text the answer stands. */
  QUESTION_ANS,
  /** The hidden states themselves. */
  FEATURE_EXTRACTION;

  /**
   * Modules that such a model trains in full besides its adapter, because the base has none or
   * random ones.
   */
  public List<String> heads() {
    return switch (this) {
      case SEQ_CLS, TOKEN_CLS -> List.of("classifier", "score");
      case QUESTION_ANS -> List.of("qa_outputs");
      case SEQ_2_SEQ_LM, CAUSAL_LM, FEATURE_EXTRACTION -> List.of();
    };
  }

  /** The task with this name. */
  public static TaskType parse(String name) {
    return Arrays.stream(values())
        .filter(task -> task.name().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "Invalid task type '"
                        + name
                        + "'. Expected one of "
                        + Arrays.stream(values()).map(Enum::name).collect(Collectors.joining(", "))
                        + "."));
  }
}
