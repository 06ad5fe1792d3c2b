package org.peftjava.peft.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.peftjava.peft.Goldens;
import org.peftjava.transformers.checkpoint.RepoCard;
import org.peftjava.transformers.checkpoint.TransformersCard;
import org.peftjava.transformers.config.InvalidFileException;
import org.peftjava.transformers.config.PythonJson;

/** Model cards, beside PEFT's and transformers'. */
class ModelCardTest {
  private static final JsonNode GOLDEN = PythonJson.read(Goldens.path("model_cards.json"), 1 << 20);
  private static final ModelCard CARD =
      new ModelCard(Optional.of("org/base"), "LORA", true, Optional.empty());

  @TempDir Path folder;

  static List<JsonNode> adapters() {
    return list(GOLDEN.path("cases"));
  }

  static List<JsonNode> pushed() {
    return list(GOLDEN.path("transformers"));
  }

  private static List<JsonNode> list(JsonNode array) {
    List<JsonNode> items = new ArrayList<>();
    array.forEach(items::add);
    return items;
  }

  @ParameterizedTest
  @MethodSource("adapters")
  void cardsAreThoseOfPeft(JsonNode golden) throws IOException {
    boolean custom = golden.path("model").asText().equals("custom");
    ModelCard card =
        new ModelCard(
            custom ? Optional.empty() : Optional.of(golden.path("base").asText()),
            golden.path("method").asText().equals("ia3") ? "IA3" : "LORA",
            golden.path("model").asText().equals("causal"),
            Optional.of(golden.path("quantization")).filter(JsonNode::isObject));
    String after = golden.path("after").asText();
    boolean isNew = !golden.has("before");
    if (!isNew) {
      Files.writeString(folder.resolve("README.md"), golden.path("before").asText());
    }
    card.updated(folder, isNew ? tags(golden) : List.of()).save(folder);
    String text = Files.readString(folder.resolve("README.md"));
    if (isNew) {
      String front = after.substring(0, after.indexOf("\n---\n") + 5);
      assertTrue(text.startsWith(front + "\n# "), text);
      assertTrue(text.endsWith("\n### Framework versions\n\n- PEFT 0.21.0"), text);
      String quantized = after.substring(front.length());
      if (!quantized.isEmpty()) {
        assertTrue(text.endsWith(quantized), text);
      }
    } else {
      assertEquals(after, text);
    }
    card.updated(folder, List.of()).save(folder);
    assertEquals(text, Files.readString(folder.resolve("README.md")), "twice changes nothing");
  }

  private static List<String> tags(JsonNode golden) {
    return list(golden.path("tags")).stream().map(JsonNode::asText).toList();
  }

  @ParameterizedTest
  @MethodSource("pushed")
  void cardsOfPushedModelsAreThoseOfTransformers(JsonNode golden) throws IOException {
    if (golden.has("before")) {
      Files.writeString(folder.resolve("README.md"), golden.path("before").asText());
    }
    TransformersCard.write(folder, tags(golden));
    String text = Files.readString(folder.resolve("README.md"));
    String after = golden.path("after").asText();
    assertEquals(after, golden.has("before") ? text : text.substring(0, after.length()));
  }

  /** Names of base models in every form that YAML might take for something else. */
  @Test
  void namesAreQuotedAsPythonDoes() throws IOException {
    List<String> wrong = new ArrayList<>();
    for (Map.Entry<String, JsonNode> each : GOLDEN.path("names").properties()) {
      ModelCard card = new ModelCard(Optional.of(each.getKey()), "LORA", true, Optional.empty());
      String text = card.updated(folder.resolve("none"), List.of()).toString();
      if (!text.startsWith(each.getValue().asText())) {
        wrong.add(each.getValue().asText() + " but " + text.substring(0, 200));
      }
    }
    for (Map.Entry<String, JsonNode> each : GOLDEN.path("lists").properties()) {
      RepoCard card = RepoCard.ofBody("");
      card.putTags(List.of(each.getKey()), tag -> false, true);
      String expected = "---\n" + each.getValue().asText() + "\n---\n";
      if (!card.toString().equals(expected)) {
        wrong.add(expected + " but " + card);
      }
    }
    assertEquals(List.of(), wrong);
  }

  @Test
  void goldenFoldersHaveTheseCards() throws IOException {
    for (Map.Entry<String, ModelCard> each :
        Map.of(
                "opt_lora/adapter",
                new ModelCard(Optional.of(""), "LORA", true, Optional.empty()),
                "custom_layers/adapter",
                ModelCard.ofCustom("LORA"))
            .entrySet()) {
      String python = Files.readString(Goldens.path(each.getKey()).resolve("README.md"));
      String front = python.substring(0, python.indexOf("\n---\n") + 5);
      String ours = each.getValue().updated(folder, List.of()).toString();
      assertEquals(front, ours.substring(0, front.length()));
    }
  }

  /** Python loses these: comments, quotes, the user's tags, Windows' line ends, wide spaces. */
  @Test
  void nothingOfOthersIsLost() throws IOException {
    Path file = folder.resolve("README.md");
    List<String> before =
        List.of(
            "---",
            "# why",
            "license: \"mit\" # ours",
            "tags: # these",
            "- mine # one",
            "- 'its''s'",
            "",
            "# at the end",
            "empty:",
            "---",
            "",
            "# T\u2028x\u0085",
            "",
            "Text.",
            "");
    Files.writeString(file, String.join("\r\n", before));
    CARD.updated(folder, List.of()).save(folder);
    List<String> after =
        List.of(
            "---",
            "# why",
            "license: \"mit\" # ours",
            "tags:",
            "- base_model:adapter:org/base",
            "- its's",
            "- lora",
            "- mine",
            "- transformers",
            "# at the end",
            "empty:",
            "base_model: org/base",
            "library_name: peft",
            "pipeline_tag: text-generation",
            "---",
            "",
            "# T\u2028x\u0085",
            "",
            "Text.",
            "### Framework versions",
            "",
            "- PEFT 0.21.0");
    assertEquals(String.join("\r\n", after), Files.readString(file));
  }

  /** Tags that only a whole YAML reader understands stay, and ours are left out. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "tags: &x [a]",
        "tags: [a, [b]]",
        "tags: [a",
        "tags: \"a",
        "tags: 'a",
        "tags: \"\\z\"",
        "tags: {a: b}",
        "tags:\n- a: b",
        "tags: |\n  a",
        "tags:\n- [",
        "tags: [a] b",
        "tags:\n  a: b"
      })
  void unknownTagsStay(String tags) throws IOException {
    Files.writeString(folder.resolve("README.md"), "---\n" + tags + "\nlicense: mit\n---\nText");
    String text = CARD.updated(folder, List.of("new")).toString();
    assertTrue(text.startsWith("---\n" + tags + "\nlicense: mit\nbase_model: "), text);
    assertFalse(text.contains("- new"), text);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "tags: [a, \"b c\", 'd']",
        "tags: [ a ,b c, d, ]",
        "tags: [a, # one\n  b c, d]",
        "tags: [\na,\nb c,\nd\n]",
        "tags:\n  - a\n  - b c # x\n  - \"d\"",
        "tags: # all\n- a\n\n# between\n- 'b c'\n- d"
      })
  void tagsInAnyFormAreRead(String tags) throws IOException {
    List<String> expected =
        tags.contains("# between") ? List.of("a", "z") : List.of("a", "b c", "d", "z");
    Files.writeString(folder.resolve("README.md"), "---\n" + tags + "\nlicense: mit\n---\nText");
    RepoCard card = RepoCard.load(folder).orElseThrow();
    card.putTags(List.of("z", "a"), tag -> false, true);
    String lines = String.join("\n- ", expected);
    assertTrue(card.toString().startsWith("---\ntags:\n- " + lines + "\n"), card.toString());
    assertTrue(card.toString().contains("\nlicense: mit\n---\nText"), card.toString());
  }

  @ParameterizedTest
  @ValueSource(strings = {"- a\n- b", "{license: mit}", "just text", "? complex"})
  void frontMatterThatIsNoMappingIsAnError(String front) throws IOException {
    Files.writeString(folder.resolve("README.md"), "---\n" + front + "\n---\nText");
    InvalidFileException error =
        assertThrows(InvalidFileException.class, () -> CARD.updated(folder, List.of()));
    assertTrue(
        error.getMessage().contains("\"" + front.lines().findFirst().get()), error.getMessage());
  }

  /** Long and odd front matter is read without deep recursion. */
  @Test
  void longLinesAreRead() throws IOException {
    String items = "\"" + "a\\n".repeat(100_000) + "\", '" + "''".repeat(100_000) + "'";
    Files.writeString(
        folder.resolve("README.md"),
        "---\nname: "
            + "x: ".repeat(100_000)
            + "\ntags: ["
            + items
            + "]\n---\n"
            + "y".repeat(100_000));
    String text = CARD.updated(folder, List.of()).toString();
    assertTrue(text.contains("\n- lora\n"), "tags are read");
  }
}
