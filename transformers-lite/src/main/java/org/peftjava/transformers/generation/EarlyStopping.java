package org.peftjava.transformers.generation;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Optional;
import org.peftjava.transformers.config.ConfigJson;

/** When beam search ends; Python's {@code early_stopping}. */
public enum EarlyStopping {
  /** When no open beam is likely to become better than the ended ones; the default. */
  FALSE,
  /** When as many continuations have ended as there are beams. */
  TRUE,
  /** When no open beam can become better than the ended ones, however long it gets. */
  NEVER;

  static EarlyStopping of(ConfigJson json) {
    Optional<JsonNode> value = json.node("early_stopping");
    if (value.isEmpty()) {
      return FALSE;
    }
    if (value.get().isBoolean()) {
      return value.get().booleanValue() ? TRUE : FALSE;
    }
    if (value.get().asText().equals("never")) {
      return NEVER;
    }
    throw json.invalid("early_stopping", "expected true, false or \"never\".");
  }

  /** The value in a file. */
  Object json() {
    return switch (this) {
      case FALSE -> false;
      case TRUE -> true;
      case NEVER -> "never";
    };
  }
}
