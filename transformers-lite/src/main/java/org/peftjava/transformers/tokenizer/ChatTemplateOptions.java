package org.peftjava.transformers.tokenizer;

import java.time.LocalDateTime;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * How a chat becomes text: the arguments of Python's {@code apply_chat_template}.
 *
 * @param chatTemplate a template, or the name of one of the tokenizer's
 * @param addGenerationPrompt ends with what begins an answer
 * @param continueFinalMessage leaves the last message open, so that the model goes on with it
 * @param tools what the model may call, as JSON schemas
 * @param documents texts to look things up in, maps with "title" and "text"
 * @param variables further values for the template, such as "enable_thinking"
 * @param now what {@code strftime_now} shows in a template; the current time if absent
 */
public record ChatTemplateOptions(
    Optional<String> chatTemplate,
    boolean addGenerationPrompt,
    boolean continueFinalMessage,
    Optional<List<Map<String, ?>>> tools,
    Optional<List<Map<String, ?>>> documents,
    Map<String, Object> variables,
    Optional<LocalDateTime> now) {
  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects options. */
  public static final class Builder {
    private Optional<String> chatTemplate = Optional.empty();
    private boolean addGenerationPrompt;
    private boolean continueFinalMessage;
    private Optional<List<Map<String, ?>>> tools = Optional.empty();
    private Optional<List<Map<String, ?>>> documents = Optional.empty();
    private final Map<String, Object> variables = new LinkedHashMap<>();
    private Optional<LocalDateTime> now = Optional.empty();

    private Builder() {}

    /** A template, or the name of one of the tokenizer's. */
    public Builder chatTemplate(String template) {
      chatTemplate = Optional.of(template);
      return this;
    }

    /** Whether to end with what begins an answer. */
    public Builder addGenerationPrompt(boolean add) {
      addGenerationPrompt = add;
      return this;
    }

    /** Whether to leave the last message open. */
    public Builder continueFinalMessage(boolean open) {
      continueFinalMessage = open;
      return this;
    }

    /** What the model may call. */
    public Builder tools(List<Map<String, ?>> schemas) {
      tools = Optional.of(List.copyOf(schemas));
      return this;
    }

    /** Texts to look things up in. */
    public Builder documents(List<Map<String, ?>> texts) {
      documents = Optional.of(List.copyOf(texts));
      return this;
    }

    /** A further value for the template. */
    public Builder variable(String name, Object value) {
      variables.put(name, value);
      return this;
    }

    /** What {@code strftime_now} shows. */
    public Builder now(LocalDateTime time) {
      now = Optional.of(time);
      return this;
    }

    /** The options. */
    public ChatTemplateOptions build() {
      if (addGenerationPrompt && continueFinalMessage) {
        throw new IllegalArgumentException(
            "addGenerationPrompt and continueFinalMessage exclude each other: the first begins a"
                + " new answer, the second goes on with the last message.");
      }
      return new ChatTemplateOptions(
          chatTemplate,
          addGenerationPrompt,
          continueFinalMessage,
          tools,
          documents,
          new LinkedHashMap<>(variables),
          now);
    }
  }
}
