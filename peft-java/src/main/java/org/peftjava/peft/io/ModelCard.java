package org.peftjava.peft.io;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.transformers.checkpoint.AtomicFiles;
import org.peftjava.transformers.config.PythonJson;

/**
 * README.md of an adapter folder: what the Hugging Face hub shows. A README that is there keeps its
 * text and its own front matter; ours is put into it.
 *
 * <p>Reference: PEFT {@code PeftModel.create_or_update_model_card}.
 *
 * @param baseModel name of the base model, empty if it has none; absent for a custom module
 * @param peftType the adapters' type, such as "LORA"
 * @param causalLm whether the model generates text
 */
public record ModelCard(Optional<String> baseModel, String peftType, boolean causalLm) {
  private static final String FILE_NAME = "README.md";
  private static final String FENCE = "---";
  private static final long MAX_BYTES = 16L << 20;
  private static final String VERSION = "- PEFT " + TunerConfig.PEFT_VERSION;
  private static final String FRAMEWORKS = "### Framework versions";

  /** Writes or updates the card of a folder. */
  public void write(Path folder) {
    Path file = folder.resolve(FILE_NAME);
    List<String> lines =
        Files.isRegularFile(file)
            ? PythonJson.readText(file, MAX_BYTES).lines().toList()
            : List.of();
    Map<String, List<String>> matter = new LinkedHashMap<>();
    List<String> body = lines;
    if (!lines.isEmpty() && lines.get(0).equals(FENCE)) {
      int end = lines.subList(1, lines.size()).indexOf(FENCE) + 1;
      if (end > 0) {
        matter.putAll(entries(lines.subList(1, end)));
        body = lines.subList(end + 1, lines.size());
      }
    }
    addOurs(matter);
    List<String> result = new ArrayList<>(List.of(FENCE));
    matter.values().forEach(result::addAll);
    result.add(FENCE);
    result.addAll(versioned(body.isEmpty() ? newBody() : body));
    AtomicFiles.write(file, String.join("\n", result).getBytes(StandardCharsets.UTF_8));
  }

  private void addOurs(Map<String, List<String>> matter) {
    List<String> tags = new ArrayList<>(List.of("tags:"));
    baseModel.ifPresent(
        name -> {
          matter.put("base_model", List.of("base_model: " + yaml(name)));
          tags.add("- " + yaml("base_model:adapter:" + name));
        });
    matter.put("library_name", List.of("library_name: peft"));
    if (causalLm) {
      matter.putIfAbsent("pipeline_tag", List.of("pipeline_tag: text-generation"));
    }
    if (peftType.equals("LORA")) {
      tags.add("- lora");
    }
    if (baseModel.isPresent()) {
      tags.add("- transformers");
    }
    if (tags.size() > 1) {
      matter.put("tags", tags);
    }
  }

  /** Top-level keys of a YAML block with the lines that belong to them. */
  private static Map<String, List<String>> entries(List<String> lines) {
    Map<String, List<String>> result = new LinkedHashMap<>();
    List<String> current = new ArrayList<>();
    for (String line : lines) {
      if (line.matches("[A-Za-z_][^:]*:.*")) {
        current = new ArrayList<>();
        result.put(line.substring(0, line.indexOf(':')), current);
      }
      current.add(line);
    }
    return result;
  }

  private static List<String> newBody() {
    return List.of("", "# Adapter", "", "An adapter for the base model named above.", "");
  }

  private static List<String> versioned(List<String> body) {
    if (body.contains(VERSION)) {
      return body;
    }
    List<String> result = new ArrayList<>(body);
    int heading = body.indexOf(FRAMEWORKS);
    if (heading >= 0) {
      result.add(Math.min(heading + 2, result.size()), VERSION);
    } else {
      result.addAll(List.of(FRAMEWORKS, "", VERSION));
    }
    return result;
  }

  /** A YAML scalar, quoted where it would read as something else. */
  private static String yaml(String text) {
    return text.matches("[A-Za-z0-9_./][A-Za-z0-9_./:-]*") && !text.endsWith(":")
        ? text
        : "'" + text.replace("'", "''") + "'";
  }
}
