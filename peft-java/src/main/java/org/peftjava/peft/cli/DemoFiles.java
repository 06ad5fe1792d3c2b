package org.peftjava.peft.cli;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.checkpoint.AtomicFiles;

/**
 * The folders of the demonstration, and its files copied out of the program.
 *
 * @param folder everything
 * @param base the base model
 */
record DemoFiles(Path folder, Path base) {
  private static final String RESOURCES = "/org/peftjava/demo/";
  private static final List<String> TEXTS = List.of("train.jsonl", "eval.jsonl", "prompts.txt");
  private static final List<String> TOKENIZER =
      List.of("base/tokenizer.json", "base/tokenizer_config.json", "base/special_tokens_map.json");
  private static final List<String> WEIGHTS =
      List.of("base/model.safetensors", "base/generation_config.json", "base/config.json");

  /** Copies what is shipped, without the base model's files if there is another one. */
  static DemoFiles extract(Path folder, Optional<Path> otherBase) {
    TEXTS.forEach(name -> copy(name, folder));
    if (otherBase.isPresent()) {
      return new DemoFiles(folder, otherBase.get());
    }
    Inputs.outputFolder(folder.resolve("base"));
    TOKENIZER.forEach(name -> copy(name, folder));
    WEIGHTS.forEach(name -> copy(name, folder));
    return new DemoFiles(folder, folder.resolve("base"));
  }

  private static void copy(String name, Path folder) {
    Path target = folder.resolve(name);
    try (@Nullable InputStream in = DemoFiles.class.getResourceAsStream(RESOURCES + name)) {
      if (in == null) {
        throw new CommandFailure(
            ExitCode.NO_INPUT,
            "This build lacks the demonstration's " + name + ". Build it again, or give --base.");
      }
      AtomicFiles.write(target, in.readAllBytes());
    } catch (IOException e) {
      throw Inputs.cannotCreate("file", target, e);
    }
  }

  Path train() {
    return folder.resolve("train.jsonl");
  }

  Path eval() {
    return folder.resolve("eval.jsonl");
  }

  Path adapter() {
    return folder.resolve("adapter");
  }

  Path merged() {
    return folder.resolve("merged");
  }

  /** What to generate from. */
  List<String> prompts() {
    Path file = folder.resolve("prompts.txt");
    try {
      return Files.readAllLines(file, StandardCharsets.UTF_8).stream()
          .filter(line -> !line.isBlank())
          .toList();
    } catch (IOException e) {
      throw new CommandFailure(ExitCode.NO_INPUT, file + " cannot be read.", e);
    }
  }
}
