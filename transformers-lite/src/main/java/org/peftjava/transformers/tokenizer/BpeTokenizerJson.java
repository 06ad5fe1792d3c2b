package org.peftjava.transformers.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.List;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.InvalidFileException;
import org.peftjava.transformers.config.PythonJson;

/**
 * Builds {@code tokenizer.json} from the two files of a byte-level BPE, {@code vocab.json} and
 * {@code merges.txt}.
 *
 * <p>Reference: transformers {@code models/gpt2/tokenization_gpt2.py}, {@code
 * models/roberta/tokenization_roberta.py}, {@code models/qwen2/tokenization_qwen2.py} and {@code
 * TokenizersBackend.update_post_processor}.
 */
final class BpeTokenizerJson {
  /** How Qwen2 cuts text into words; from {@code tokenization_qwen2.py}. */
  private static final String QWEN2_WORDS =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
          + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

  private BpeTokenizerJson() {}

  static ObjectNode build(Path vocabFile, Path mergesFile, ConfigJson config, TokenizerClass kind) {
    JsonNode vocab = PythonJson.read(vocabFile, TokenizerFiles.MAX_BYTES);
    if (!vocab.isObject()) {
      throw new InvalidFileException(vocabFile, "is not a JSON object; expected {token: id}.");
    }
    ObjectNode model = TokenizerParts.bpe();
    model.put("continuing_subword_prefix", "").put("end_of_word_suffix", "");
    model.set("vocab", vocab);
    ObjectNode json = TokenizerParts.tokenizer(model);
    Vocabulary vocabulary = Vocabulary.of(json, vocabFile);
    model.set("merges", merges(mergesFile, vocabulary));
    boolean addPrefixSpace = config.getBoolean("add_prefix_space", false);
    json.set("pre_tokenizer", TokenizerParts.byteLevel(addPrefixSpace, true));
    json.set("decoder", TokenizerParts.byteLevel(true, true));
    if (kind == TokenizerClass.QWEN2) {
      json.set("normalizer", TokenizerParts.part("NFC"));
      json.set(
          "pre_tokenizer",
          TokenizerParts.sequence(
              "pretokenizers",
              List.of(
                  TokenizerParts.split("Regex", QWEN2_WORDS, "Isolated"),
                  TokenizerParts.byteLevel(addPrefixSpace, false))));
    }
    return json;
  }

  private static ArrayNode merges(Path file, Vocabulary vocabulary) {
    ArrayNode merges = JsonNodeFactory.instance.arrayNode();
    List<String> lines = PythonJson.readText(file, TokenizerFiles.MAX_BYTES).lines().toList();
    for (int i = 0; i < lines.size(); i++) {
      String line = lines.get(i);
      if (line.startsWith("#version") || line.isBlank()) {
        continue;
      }
      String[] parts = line.split(" ", -1);
      if (parts.length != 2 || parts[0].isEmpty() || parts[1].isEmpty()) {
        throw new InvalidFileException(
            file, "has \"" + line + "\" in line " + (i + 1) + "; expected two tokens and a space.");
      }
      for (String token : List.of(parts[0], parts[1], parts[0] + parts[1])) {
        if (vocabulary.id(token).isEmpty()) {
          throw new InvalidFileException(
              file,
              "uses the token \""
                  + token
                  + "\" in line "
                  + (i + 1)
                  + ", which vocab.json does not have. The two files belong together.");
        }
      }
      TokenizerParts.addMerge(merges, parts[0], parts[1]);
    }
    return merges;
  }
}
