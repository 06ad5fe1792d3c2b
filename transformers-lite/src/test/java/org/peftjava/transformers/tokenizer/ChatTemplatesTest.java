package org.peftjava.transformers.tokenizer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.Goldens;
import org.peftjava.transformers.config.PythonJson;

/** Chats become the text that transformers makes of them. */
class ChatTemplatesTest {
  private static final Path FOLDER = Goldens.folder("chat_templates");
  private static final JsonNode EXPECTED =
      PythonJson.read(FOLDER.resolve("expected.json"), 1 << 20);
  private static final Map<String, String> SPECIAL =
      Map.of("bos_token", "<s>", "eos_token", "</s>", "unk_token", "<unk>");
  private static final ObjectMapper MAPPER = new ObjectMapper();

  @TempDir Path folder;

  static Stream<String> templates() {
    return EXPECTED.path("rendered").properties().stream().map(Map.Entry::getKey);
  }

  static Stream<JsonNode> pieces() {
    return StreamSupport.stream(EXPECTED.path("pieces").spliterator(), false);
  }

  @ParameterizedTest
  @MethodSource("templates")
  void rendersTheTemplatesOfModelsLikePython(String name) {
    String template = EXPECTED.path("templates").path(name).asText();
    ChatTemplates templates = new ChatTemplates(Map.of("default", template), SPECIAL);
    for (var entry : EXPECTED.path("rendered").path(name).properties()) {
      JsonNode chat = EXPECTED.path("chats").path(entry.getKey());
      check(entry.getValue(), () -> templates.render(list(chat.path("messages")), options(chat)));
    }
    assertEquals(EXPECTED.path("chats").size(), EXPECTED.path("rendered").path(name).size());
  }

  @ParameterizedTest
  @MethodSource("pieces")
  void rendersEachConstructLikePython(JsonNode piece) {
    ChatTemplates templates =
        new ChatTemplates(Map.of("default", piece.path("template").asText()), SPECIAL);
    JsonNode chat = EXPECTED.path("chats").path("system");
    List<Map<String, ?>> messages = list(chat.path("messages")).subList(0, 3);
    check(piece, () -> templates.render(messages, options(MAPPER.createObjectNode())));
  }

  @Test
  void readsAndSavesTemplatesLikePython() throws IOException {
    JsonNode chat = EXPECTED.path("chats").path("system");
    String text = EXPECTED.path("rendered").path("chatml").path("system").path("text").asText();
    for (Path from : List.of(FOLDER.resolve("saved"), FOLDER.resolve("several"))) {
      Path target = folder.resolve(from.getFileName());
      try (Tokenizer tokenizer = AutoTokenizer.fromPretrained(from)) {
        assertEquals(text, apply(tokenizer, chat));
        tokenizer.savePretrained(target);
      }
      try (Tokenizer tokenizer = AutoTokenizer.fromPretrained(target)) {
        assertEquals(text, apply(tokenizer, chat));
        long[] ids = tokenizer.encodeChat(list(chat.path("messages")), o -> {});
        assertEquals(2, ids[0]);
      }
    }
    assertTrue(Files.exists(folder.resolve("saved/chat_template.jinja")));
    assertFalse(Files.exists(folder.resolve("several/chat_template.jinja")));
  }

  @Test
  void choosesAmongSeveralTemplates() {
    JsonNode chat = EXPECTED.path("chats").path("tools");
    JsonNode documents = EXPECTED.path("chats").path("documents");
    JsonNode rendered = EXPECTED.path("rendered");
    try (Tokenizer tokenizer = AutoTokenizer.fromPretrained(FOLDER.resolve("several"))) {
      assertEquals(
          rendered.path("llama3").path("tools").path("text").asText(), apply(tokenizer, chat));
      assertEquals(
          rendered.path("rag").path("documents").path("text").asText(),
          tokenizer.applyChatTemplate(
              list(documents.path("messages")),
              o ->
                  o.chatTemplate("rag")
                      .tools(list(documents.path("tools")))
                      .documents(list(documents.path("documents")))));
      assertEquals("x", tokenizer.applyChatTemplate(List.of(Map.of()), o -> o.chatTemplate("x")));
    }
  }

  @Test
  void saysWhatIsMissing() {
    ChatTemplates none = new ChatTemplates(Map.of(), SPECIAL);
    List<Map<String, ?>> chat = List.of(Map.of("role", "user", "content", "x"));
    ChatTemplateOptions plain = ChatTemplateOptions.builder().build();
    assertMessage(IllegalStateException.class, () -> none.render(chat, plain), "no chat template");
    ChatTemplates two = new ChatTemplates(Map.of("a", "1", "b", "2"), SPECIAL);
    assertMessage(IllegalStateException.class, () -> two.render(chat, plain), "[a, b]");
    ChatTemplates one = new ChatTemplates(Map.of("default", "\n\n{{ x.y }}"), SPECIAL);
    assertMessage(
        IllegalArgumentException.class,
        () -> one.render(chat, plain),
        "The chat template fails in line 3: 'x' is undefined.");
    assertMessage(IllegalArgumentException.class, () -> one.render(List.of(), plain), "message");
    ChatTemplateOptions open = ChatTemplateOptions.builder().continueFinalMessage(true).build();
    ChatTemplates dropping =
        new ChatTemplates(Map.of("default", "{{ messages[0].role }}"), SPECIAL);
    assertMessage(
        IllegalArgumentException.class, () -> dropping.render(chat, open), "drops the last");
    assertMessage(
        IllegalArgumentException.class,
        () -> dropping.render(List.of(Map.of("role", "x")), open),
        "no \"content\"");
    assertMessage(
        IllegalArgumentException.class,
        () ->
            ChatTemplateOptions.builder()
                .continueFinalMessage(true)
                .addGenerationPrompt(true)
                .build(),
        "exclude each other");
    assertMessage(
        IllegalArgumentException.class,
        () -> one.render(List.of(Map.of("content", new StringBuilder("x"))), plain),
        "StringBuilder");
  }

  private static String apply(Tokenizer tokenizer, JsonNode chat) {
    return tokenizer.applyChatTemplate(
        list(chat.path("messages")),
        o -> {
          o.addGenerationPrompt(chat.path("add_generation_prompt").asBoolean());
          o.now(LocalDateTime.parse(EXPECTED.path("now").asText()));
          if (chat.has("tools")) {
            o.tools(list(chat.path("tools")));
          }
        });
  }

  private static ChatTemplateOptions options(JsonNode chat) {
    ChatTemplateOptions.Builder options =
        ChatTemplateOptions.builder()
            .now(LocalDateTime.parse(EXPECTED.path("now").asText()))
            .addGenerationPrompt(chat.path("add_generation_prompt").asBoolean())
            .continueFinalMessage(chat.path("continue_final_message").asBoolean());
    if (chat.has("tools")) {
      options.tools(list(chat.path("tools")));
    }
    if (chat.has("documents")) {
      options.documents(list(chat.path("documents")));
    }
    if (chat.has("enable_thinking")) {
      options.variable("enable_thinking", chat.path("enable_thinking").asBoolean());
    }
    return options.build();
  }

  private static void check(JsonNode expected, Supplier<String> rendering) {
    if (expected.has("error")) {
      assertTrue(expected.path("message").asText().length() > 2);
      String message =
          assertThrows(IllegalArgumentException.class, rendering::get, expected.toString())
              .getMessage();
      if (Set.of("TemplateError", "UndefinedError").contains(expected.path("error").asText())) {
        assertTrue(message.contains(expected.path("message").asText()), message);
      }
    } else {
      assertEquals(expected.path("text").asText(), rendering.get(), expected.toString());
    }
  }

  private static void assertMessage(
      Class<? extends Exception> type,
      org.junit.jupiter.api.function.Executable code,
      String part) {
    String message = assertThrows(type, code).getMessage();
    assertTrue(message.contains(part), message);
  }

  private static List<Map<String, ?>> list(JsonNode node) {
    return MAPPER.convertValue(node, new TypeReference<List<Map<String, ?>>>() {});
  }
}
