package org.peftjava.peft.cli;

import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.GZIPOutputStream;

/** A folder with a random model of two layers, the demonstration's tokenizer and a few texts. */
final class TinyFolder {
  private static final String CONFIG =
      "{\"model_type\":\"opt\",\"vocab_size\":2048,\"hidden_size\":32,\"word_embed_proj_dim\":32,"
          + "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"ffn_dim\":64,"
          + "\"max_position_embeddings\":128,\"activation_function\":\"relu\",\"dropout\":0.0,"
          + "\"init_std\":0.2,\"pad_token_id\":1,\"bos_token_id\":2,\"eos_token_id\":2}";

  private final Path folder;

  TinyFolder(Path folder) {
    this.folder = folder;
    write("config.json", CONFIG);
    List<String> lines = texts("train.jsonl", 24);
    write("train.jsonl", String.join("\n", lines));
    write("eval.jsonl", String.join("\n", texts("eval.jsonl", 6)));
    pack("train.jsonl.gz", String.join("\n", lines));
    PeftProcess.ok(
        "train",
        "--full",
        "--config",
        path("config.json"),
        "--tokenizer",
        PeftProcess.DEMO.resolve("base"),
        "--data",
        path("train.jsonl.gz"),
        "--output",
        path("base"),
        "--packing",
        "--max-length",
        32,
        "--max-steps",
        2,
        "--save-steps",
        0);
  }

  Path path(String name) {
    return folder.resolve(name);
  }

  Path base() {
    return path("base");
  }

  Path write(String name, String text) {
    try {
      return Files.writeString(path(name), text);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void pack(String name, String text) {
    try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(path(name)))) {
      out.write(text.getBytes(StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static List<String> texts(String name, int count) {
    try {
      return Files.readAllLines(PeftProcess.DEMO.resolve(name)).subList(0, count);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
