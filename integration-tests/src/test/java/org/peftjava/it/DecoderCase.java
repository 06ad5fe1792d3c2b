package org.peftjava.it;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.provider.Arguments;

/** The golden cases of decoder architectures. */
final class DecoderCase {
  static final List<String> ALL =
      List.of(
          "decoder_llama",
          "decoder_llama_tied",
          "decoder_mistral",
          "decoder_qwen2",
          "decoder_qwen3",
          "decoder_gemma2",
          "decoder_gemma3",
          "decoder_gpt2",
          "decoder_phi3",
          "decoder_bloom",
          "decoder_opt",
          "decoder_gemma",
          "decoder_gpt_neox",
          "decoder_gptj",
          "decoder_phi",
          "decoder_granite",
          "decoder_starcoder2",
          "decoder_bert",
          "decoder_electra",
          "decoder_roberta");

  private DecoderCase() {}

  /** Each case with each of its variants: the same weights under another config. */
  static Stream<Arguments> variants() {
    List<Arguments> all = new ArrayList<>();
    for (String name : ALL) {
      Golden.json(Golden.ROOT.resolve(name).resolve("case.json"))
          .get("variants")
          .forEach(variant -> all.add(Arguments.of(name, variant.textValue())));
    }
    return all.stream();
  }

  /** Lays out the model of a variant in a folder. */
  static void layOut(Golden golden, String variant, Path folder) {
    try (Stream<Path> files = Files.list(golden.folder("base"))) {
      for (Path file : files.toList()) {
        Files.copy(file, folder.resolve(file.getFileName().toString()));
      }
      Files.copy(
          golden.folder("config." + variant + ".json"),
          folder.resolve("config.json"),
          StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
