package org.peftjava.peft.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.peft.Goldens;

class ModelCardTest {
  private static List<String> matter(Path folder) throws IOException {
    List<String> lines = Files.readAllLines(folder.resolve("README.md"));
    return lines.subList(0, lines.subList(1, lines.size()).indexOf("---") + 2);
  }

  @Test
  void frontMatterIsPythons(@TempDir Path folder) throws IOException {
    new ModelCard(Optional.of(""), "LORA", true).write(folder);
    assertEquals(matter(Goldens.path("opt_lora/adapter")), matter(folder));
    new ModelCard(Optional.empty(), "LORA", false).write(folder.resolve("custom"));
    assertEquals(matter(Goldens.path("custom_layers/adapter")), matter(folder.resolve("custom")));
    new ModelCard(Optional.of("facebook/opt-350m"), "LORA", true).write(folder.resolve("opt"));
    assertEquals(
        List.of(
            "---",
            "base_model: facebook/opt-350m",
            "library_name: peft",
            "pipeline_tag: text-generation",
            "tags:",
            "- base_model:adapter:facebook/opt-350m",
            "- lora",
            "- transformers",
            "---"),
        matter(folder.resolve("opt")));
  }

  @Test
  void anExistingTextStays(@TempDir Path folder) throws IOException {
    Files.writeString(
        folder.resolve("README.md"),
        "---\nlicense: mit\npipeline_tag: other\ntags:\n- mine\n---\n\n# My adapter\n\nText.\n");
    ModelCard card = new ModelCard(Optional.of("a b"), "LORA", true);
    card.write(folder);
    String once = Files.readString(folder.resolve("README.md"));
    card.write(folder);
    assertEquals(once, Files.readString(folder.resolve("README.md")));
    assertTrue(once.startsWith("---\nlicense: mit\npipeline_tag: other\ntags:\n"), once);
    assertTrue(once.contains("\nbase_model: 'a b'\n"), once);
    assertTrue(once.contains("---\n\n# My adapter\n\nText.\n### Framework versions\n"), once);
  }
}
