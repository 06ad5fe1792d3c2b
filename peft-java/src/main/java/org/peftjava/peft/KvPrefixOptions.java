package org.peftjava.peft;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Consumer;
import org.peftjava.transformers.tokenizer.Tokenizer;

/**
 * How an adapter of keys and values gets its first values. Names are Python's.
 *
 * @param adapterName the adapter; empty for the one that acts
 * @param useChatTemplate whether a text becomes the system's message of a chat, if the tokenizer
 *     has a chat template; true
 * @param maxLength how many tokens of a text are read; empty for all
 */
public record KvPrefixOptions(
    Optional<String> adapterName, boolean useChatTemplate, OptionalInt maxLength) {
  static KvPrefixOptions of(Consumer<Builder> options) {
    Builder builder = new Builder();
    options.accept(builder);
    return builder.build();
  }

  /** The tokens of a text. */
  long[] ids(Tokenizer tokenizer, String text) {
    if (!useChatTemplate || !tokenizer.hasChatTemplate()) {
      return maxLength.isPresent()
          ? tokenizer.encodeIds(text, o -> o.truncation(true).maxLength(maxLength.getAsInt()))
          : tokenizer.encodeIds(text);
    }
    long[] ids =
        tokenizer.encodeChat(
            List.of(Map.of("role", "system", "content", text)), o -> o.addGenerationPrompt(false));
    return Arrays.copyOf(ids, Math.min(ids.length, maxLength.orElse(ids.length)));
  }

  /** Collects options; each method is the one of its record component. */
  public static final class Builder {
    private Optional<String> adapterName = Optional.empty();
    private boolean useChatTemplate = true;
    private OptionalInt maxLength = OptionalInt.empty();

    private Builder() {}

    /** The adapter. */
    public Builder adapterName(String name) {
      adapterName = Optional.of(name);
      return this;
    }

    /** Whether a text becomes the system's message of a chat. */
    public Builder useChatTemplate(boolean value) {
      useChatTemplate = value;
      return this;
    }

    /** How many tokens of a text are read, 1 or more. */
    public Builder maxLength(int tokens) {
      if (tokens < 1) {
        throw new IllegalArgumentException("maxLength must be 1 or more, got " + tokens + ".");
      }
      maxLength = OptionalInt.of(tokens);
      return this;
    }

    private KvPrefixOptions build() {
      return new KvPrefixOptions(adapterName, useChatTemplate, maxLength);
    }
  }
}
