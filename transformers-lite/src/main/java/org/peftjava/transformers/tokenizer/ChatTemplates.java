package org.peftjava.transformers.tokenizer;

import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.jinja.JinjaException;
import org.peftjava.transformers.jinja.JinjaTemplate;

/**
 * Writes chats as text.
 *
 * <p>Reference: transformers {@code PreTrainedTokenizerBase.apply_chat_template} and {@code
 * utils/chat_template_utils.py::render_jinja_template}.
 *
 * @param templates by name
 * @param specialTokens by role; a template sees them as {@code bos_token} and so on
 */
record ChatTemplates(Map<String, String> templates, Map<String, String> specialTokens) {
  private static final String TAG = "CONTINUE_FINAL_MESSAGE_TAG ";
  private static final String CONTENT = "content";

  String render(List<? extends Map<String, ?>> messages, ChatTemplateOptions options) {
    if (messages.isEmpty()) {
      throw new IllegalArgumentException("A chat needs at least one message; there is none.");
    }
    String text = template(options);
    List<Map<String, ?>> chat = new ArrayList<>(messages);
    String last = "";
    if (options.continueFinalMessage()) {
      Map<String, ?> message = chat.get(chat.size() - 1);
      last = finalText(message);
      chat.set(chat.size() - 1, tagged(message));
    }
    Map<String, @Nullable Object> variables = new LinkedHashMap<>(specialTokens);
    variables.putAll(options.variables());
    variables.put("messages", chat);
    variables.put("tools", options.tools().orElse(null));
    variables.put("documents", options.documents().orElse(null));
    variables.put("add_generation_prompt", options.addGenerationPrompt());
    String rendered;
    try {
      rendered =
          JinjaTemplate.parse(text).render(variables, options.now().orElseGet(LocalDateTime::now));
    } catch (JinjaException e) {
      throw new IllegalArgumentException(
          "The chat template fails"
              + (e.line() > 0 ? " in line " + e.line() : "")
              + ": "
              + e.getMessage()
              + ".",
          e);
    }
    return options.continueFinalMessage() ? opened(rendered, last) : rendered;
  }

  private String template(ChatTemplateOptions options) {
    Optional<String> asked = options.chatTemplate();
    if (asked.isPresent()) {
      boolean isName = templates.size() > 1 || !templates.containsKey("default");
      return isName ? templates.getOrDefault(asked.get(), asked.get()) : asked.get();
    }
    if (options.tools().isPresent() && templates.containsKey("tool_use")) {
      return templates.get("tool_use");
    }
    String text = templates.get("default");
    if (text == null) {
      throw new IllegalStateException(
          templates.isEmpty()
              ? "The tokenizer has no chat template. Give one: o -> o.chatTemplate(\"{% for ...\")."
              : "The tokenizer has several chat templates and none is the default. Choose one of "
                  + templates.keySet().stream().sorted().toList()
                  + " with chatTemplate.");
    }
    return text;
  }

  /** The text that the model is to go on with: the content, or its last part that is text. */
  private static String finalText(Map<String, ?> message) {
    Object content = message.get(CONTENT);
    if (content instanceof String text) {
      return text;
    }
    if (content instanceof List<?> parts) {
      for (int i = parts.size() - 1; i >= 0; i--) {
        if (parts.get(i) instanceof Map<?, ?> part && part.get("text") instanceof String text) {
          return text;
        }
      }
    }
    throw new IllegalArgumentException(
        "continueFinalMessage is set, but the last message has no \"content\" to go on with.");
  }

  /** The message with a mark behind that text. */
  private static Map<String, ?> tagged(Map<String, ?> message) {
    Map<String, Object> copy = new LinkedHashMap<>(message);
    if (message.get(CONTENT) instanceof List<?> parts) {
      List<Object> changed = new ArrayList<>(parts);
      for (int i = parts.size() - 1; i >= 0; i--) {
        if (parts.get(i) instanceof Map<?, ?> part && part.get("text") instanceof String text) {
          Map<Object, Object> partCopy = new LinkedHashMap<>(part);
          partCopy.put("text", text + TAG);
          changed.set(i, partCopy);
          break;
        }
      }
      copy.put(CONTENT, changed);
    } else {
      copy.put(CONTENT, message.get(CONTENT) + TAG);
    }
    return copy;
  }

  /** What stands before the mark. */
  private static String opened(String rendered, String last) {
    int at = rendered.lastIndexOf(TAG.strip());
    if (at < 0 || !rendered.contains(last.strip())) {
      throw new IllegalArgumentException(
          "continueFinalMessage is set, but the chat template changes or drops the last message.");
    }
    String before = rendered.substring(0, at);
    return rendered.startsWith(TAG, at) ? before : before.stripTrailing();
  }
}
