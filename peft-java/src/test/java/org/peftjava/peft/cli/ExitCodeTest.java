package org.peftjava.peft.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What goes wrong gives its exit code and one sentence, never a stack trace. */
class ExitCodeTest {
  @TempDir static Path folder;
  private static TinyFolder tiny;

  @BeforeAll
  static void model() {
    tiny = new TinyFolder(folder);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "train",
        "generate",
        "merge",
        "plan",
        "info",
        "logits",
        "push",
        "demo",
        "selfcheck"
      })
  void everyCommandHasHelpThatNamesTheExitCodes(String command) {
    PeftProcess help = PeftProcess.run(command, "--help");
    assertEquals(ExitCode.OK, help.exitCode());
    assertTrue(help.out().startsWith("Usage: peft " + command), help.out());
    assertTrue(help.out().contains("65   a file has bad contents"), help.out());
    assertEquals("", help.err());
  }

  @Test
  void theProgramListsItsCommandsAndItsVersion() {
    String help = PeftProcess.run("--help").out();
    assertTrue(help.contains("generate  Continues a prompt"), help);
    assertTrue(!help.contains("selfcheck"), help);
    assertTrue(PeftProcess.run("--version").out().startsWith("peft-java "));
    assertEquals(ExitCode.USAGE, PeftProcess.run().exitCode());
  }

  @Test
  void wrongUsage() {
    fails(ExitCode.USAGE, "'frobnicate'", "frobnicate");
    fails(ExitCode.USAGE, "Missing required option: '--output=DIR'", "train", "--model", "m");
    fails(ExitCode.USAGE, "Unknown option: '--lorra'", "info", tiny.base(), "--lorra");
    fails(ExitCode.USAGE, "'x' is not a double", train("--learning-rate", "x"));
    fails(ExitCode.USAGE, "r must be positive, got 0", train("--lora-r", 0));
    fails(
        ExitCode.USAGE,
        "--per-device-train-batch-size must be at least 1, got 0",
        train("--per-device-train-batch-size", 0));
    fails(ExitCode.USAGE, "[q_porj]", train("--target-modules", "q_porj"));
    fails(ExitCode.USAGE, "--full trains all weights", train("--full", "--lora-r", 4));
    fails(ExitCode.USAGE, "--eval-steps needs --eval-data", train("--eval-steps", 4));
    fails(ExitCode.USAGE, "int7", train("--dtype", "int7"));
    fails(ExitCode.USAGE, "Expected true, false or gaussian", train("--init-lora-weights", "zero"));
    fails(ExitCode.USAGE, "threads must be positive, got 0", train("--threads", 0));
    fails(
        ExitCode.USAGE,
        "Give either --model, or --config",
        "train",
        "--data",
        tiny.path("train.jsonl"),
        "--output",
        tiny.path("o"));
    fails(
        ExitCode.USAGE,
        "add --do-sample",
        "generate",
        "--model",
        tiny.base(),
        "--prompt",
        "A",
        "--temperature",
        2);
    fails(
        ExitCode.USAGE,
        "lower --max-new-tokens",
        "generate",
        "--model",
        tiny.base(),
        "--prompt",
        "A",
        "--max-new-tokens",
        1000);
    fails(
        ExitCode.USAGE,
        "Give --adapter",
        "merge",
        "--model",
        tiny.base(),
        "--output",
        tiny.path("m"));
  }

  @Test
  void inputsThatAreNotThere() {
    fails(
        ExitCode.NO_INPUT,
        "The model folder nowhere does not exist.",
        "train",
        "--model",
        "nowhere",
        "--data",
        tiny.path("train.jsonl"),
        "--output",
        tiny.path("o"));
    fails(ExitCode.NO_INPUT, "config.json is a file.", "info", tiny.path("config.json"));
    fails(
        ExitCode.NO_INPUT,
        "The data file nowhere.txt does not exist.",
        "train",
        "--model",
        tiny.base(),
        "--data",
        "nowhere.txt",
        "--output",
        tiny.path("o"));
    fails(
        ExitCode.NO_INPUT,
        "The adapter folder nowhere",
        "generate",
        "--adapter",
        "nowhere",
        "--prompt",
        "A");
    fails(
        ExitCode.NO_INPUT,
        "is a folder",
        "logits",
        "--model",
        tiny.base(),
        "--input-ids",
        tiny.base(),
        "--output",
        tiny.path("l.safetensors"));
    fails(ExitCode.NO_INPUT, "The checkpoint folder nowhere", train("--resume", "nowhere"));
  }

  @Test
  void filesWithBadContents() throws IOException {
    data("not.jsonl", "{\"text\": \"A\"}\nB\n", "line 2: not a JSON object");
    data("field.jsonl", "{\"txt\": \"A\"}\n", "--text-field");
    data("empty.txt", "\n\n", "holds no text");
    data("plain.txt.gz", "A wise man", "not a whole file packed with gzip");
    Files.write(tiny.path("latin.txt"), "B\u00e4r".getBytes(StandardCharsets.ISO_8859_1));
    fails(ExitCode.BAD_DATA, "line 1: not valid UTF-8", trainOn(tiny.path("latin.txt")));
    fails(
        ExitCode.BAD_DATA,
        "is not valid UTF-8",
        "generate",
        "--model",
        tiny.base(),
        "--prompt-file",
        tiny.path("latin.txt"));

    Path broken = Files.createDirectories(tiny.path("broken"));
    fails(ExitCode.BAD_DATA, "has no config.json", "info", broken);
    Files.writeString(broken.resolve("config.json"), "{\"model_type\": \"opt\", ");
    fails(ExitCode.BAD_DATA, "config.json", "info", broken);
    Files.copy(
        tiny.path("config.json"),
        broken.resolve("config.json"),
        StandardCopyOption.REPLACE_EXISTING);
    byte[] weights = Files.readAllBytes(tiny.base().resolve("model.safetensors"));
    Files.write(broken.resolve("model.safetensors"), Arrays.copyOf(weights, weights.length / 2));
    fails(ExitCode.BAD_DATA, "model.safetensors", "info", broken);
    Files.writeString(broken.resolve("adapter_config.json"), "{\"peft_type\": \"MAGIC\"}");
    fails(ExitCode.BAD_DATA, "MAGIC", "info", broken);
  }

  @Test
  void idsThatNoModelCanTake() {
    ids("[[2, 5], [2]]", "row 1 has 1 ids, row 0 has 2");
    ids("[[2, 2048]]", "row 0 has the id 2048; expected 0 to 2047");
    ids("[[2, -1]]", "row 0 has the id -1");
    ids("[[2, 1.5]]", "holds 1.5");
    ids("{}", "expected a list of rows");
    ids("[[]]", "above 0");
  }

  @Test
  void outputsThatCannotBeCreated() {
    Path inFile = tiny.path("config.json").resolve("out");
    fails(
        ExitCode.CANNOT_CREATE,
        "cannot be created",
        "train",
        "--model",
        tiny.base(),
        "--data",
        tiny.path("train.jsonl"),
        "--output",
        inFile);
    fails(ExitCode.CANNOT_CREATE, "cannot be created", "demo", "--output", inFile);
    fails(
        ExitCode.CANNOT_CREATE,
        "is a folder",
        "logits",
        "--model",
        tiny.base(),
        "--input-ids",
        tiny.write("some.json", "[[2]]"),
        "--output",
        tiny.base());
  }

  @Test
  void debugPrintsTheStackTrace() {
    PeftProcess result = PeftProcess.run("info", "nowhere", "--debug");
    assertTrue(result.err().contains("\tat org.peftjava.peft.cli"), result.err());
  }

  private static void data(String name, String text, String sentence) {
    fails(ExitCode.BAD_DATA, sentence, trainOn(tiny.write(name, text)));
  }

  private static void ids(String json, String sentence) {
    fails(
        ExitCode.BAD_DATA,
        sentence,
        "logits",
        "--model",
        tiny.base(),
        "--input-ids",
        tiny.write("bad.json", json),
        "--output",
        tiny.path("l.safetensors"));
  }

  private static Object[] train(Object... options) {
    return Stream.concat(Arrays.stream(trainOn(tiny.path("train.jsonl"))), Arrays.stream(options))
        .toArray();
  }

  private static Object[] trainOn(Path data) {
    return new Object[] {
      "train", "--model", tiny.base(), "--data", data, "--output", tiny.path("o"), "--max-steps", 1
    };
  }

  private static void fails(int exitCode, String sentence, Object... args) {
    PeftProcess result = PeftProcess.run(args);
    assertEquals(exitCode, result.exitCode(), result.toString());
    assertTrue(result.err().contains(sentence), result.err());
    assertEquals(1, result.err().lines().count(), result.err());
    assertTrue(result.err().startsWith("peft"), result.err());
  }
}
