package org.peftjava.transformers.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PythonJson;

/**
 * The chat templates of a folder: {@code chat_template.jinja} and those of {@code
 * additional_chat_templates}, else {@code chat_template} of the config, else {@code
 * chat_template.json}.
 */
final class ChatTemplateFiles {
  static final String KEY = "chat_template";
  static final String FILE = "chat_template.jinja";

  private static final String OLD_FILE = "chat_template.json";
  private static final String MORE = "additional_chat_templates";
  private static final String SUFFIX = ".jinja";
  private static final long MAX_BYTES = 4L << 20;

  private ChatTemplateFiles() {}

  /** The config with the templates of the folder's other files, as a text or a list. */
  static ConfigJson addTo(ConfigJson config, Path folder) {
    Map<String, String> found = new TreeMap<>();
    Path file = folder.resolve(FILE);
    if (Files.exists(file)) {
      found.put("default", PythonJson.readText(file, MAX_BYTES));
    }
    Path more = folder.resolve(MORE);
    if (Files.isDirectory(more)) {
      try (DirectoryStream<Path> files = Files.newDirectoryStream(more, "*" + SUFFIX)) {
        for (Path each : files) {
          String name = each.getFileName().toString();
          found.put(
              name.substring(0, name.length() - SUFFIX.length()),
              PythonJson.readText(each, MAX_BYTES));
        }
      } catch (IOException e) {
        throw new UncheckedIOException("Cannot list " + more + ": " + e.getMessage() + ".", e);
      }
    }
    if (found.size() == 1 && found.containsKey("default")) {
      return config.with(KEY, found.get("default"));
    }
    if (!found.isEmpty()) {
      List<Map<String, String>> list = new ArrayList<>();
      found.forEach((name, text) -> list.add(Map.of("name", name, "template", text)));
      return config.with(KEY, list);
    }
    Path old = folder.resolve(OLD_FILE);
    if (!config.has(KEY) && Files.exists(old)) {
      ConfigJson json = ConfigJson.read(old);
      return json.has(KEY) ? config.with(KEY, json.node(KEY).orElseThrow()) : config;
    }
    return config;
  }

  /** The templates of a config by name; a single one is called "default". */
  static Map<String, String> of(ConfigJson config) {
    Map<String, String> templates = new TreeMap<>();
    JsonNode node = config.node(KEY).orElse(null);
    if (node == null) {
      return templates;
    }
    if (node.isTextual()) {
      templates.put("default", node.textValue());
      return templates;
    }
    for (JsonNode entry : node) {
      if (!entry.path("name").isTextual() || !entry.path("template").isTextual()) {
        throw config.invalid(
            KEY, "expected a text or a list of {\"name\": ..., \"template\": ...}.");
      }
      templates.put(entry.path("name").textValue(), entry.path("template").textValue());
    }
    return templates;
  }
}
