package org.peftjava.transformers.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.InvalidFileException;
import org.peftjava.transformers.config.PythonJson;

/**
 * Builds {@code tokenizer.json} from the two files of a byte-level BPE, {@code vocab.json} and
 * {@code merges.txt}, as next to facebook/opt-*.
 *
 * <p>Reference: transformers {@code models/gpt2/tokenization_gpt2.py::GPT2Tokenizer} and {@code
 * TokenizersBackend.update_post_processor}.
 */
final class BpeTokenizerJson {
  private static final Set<String> CLASSES =
      Set.of("GPT2Tokenizer", "GPT2TokenizerFast", "TokenizersBackend");
  private static final String DEFAULT_TOKEN = "<|endoftext|>";

  private BpeTokenizerJson() {}

  /** The config with GPT2Tokenizer's default tokens where it is silent. */
  static ConfigJson withDefaults(ConfigJson config) {
    String tokenizerClass = config.getString("tokenizer_class", "GPT2Tokenizer");
    if (!CLASSES.contains(tokenizerClass)) {
      throw config.invalid(
          "tokenizer_class",
          "vocab.json and merges.txt can be read for GPT2Tokenizer only. Save a tokenizer.json with"
              + " Python: AutoTokenizer.from_pretrained(folder).save_pretrained(folder).");
    }
    ConfigJson result = config.with("tokenizer_class", "GPT2Tokenizer");
    for (String role : List.of("unk_token", "bos_token", "eos_token")) {
      if (!config.keys().contains(role)) { // an explicit null means none
        result = result.with(role, DEFAULT_TOKEN);
      }
    }
    return result;
  }

  static ObjectNode build(Path vocabFile, Path mergesFile, ConfigJson config) {
    JsonNode vocab = PythonJson.read(vocabFile, TokenizerFiles.MAX_BYTES);
    if (!vocab.isObject()) {
      throw new InvalidFileException(vocabFile, "is not a JSON object; expected {token: id}.");
    }
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("version", "1.0").putNull("truncation").putNull("padding").putArray("added_tokens");
    json.putNull("normalizer");
    json.set("pre_tokenizer", byteLevel(config.getBoolean("add_prefix_space", false)));
    ObjectNode model = JsonNodeFactory.instance.objectNode();
    model.put("type", "BPE").putNull("dropout").putNull("unk_token");
    model.put("continuing_subword_prefix", "").put("end_of_word_suffix", "");
    model.put("fuse_unk", false).put("byte_fallback", false).put("ignore_merges", false);
    model.set("vocab", vocab);
    json.set("model", model);
    Vocabulary vocabulary = Vocabulary.of(json, vocabFile);
    model.set("merges", merges(mergesFile, vocabulary));
    json.set("post_processor", template(config, vocabulary));
    json.set("decoder", byteLevel(true));
    return json;
  }

  private static ObjectNode byteLevel(boolean addPrefixSpace) {
    return JsonNodeFactory.instance
        .objectNode()
        .put("type", "ByteLevel")
        .put("add_prefix_space", addPrefixSpace)
        .put("trim_offsets", true)
        .put("use_regex", true);
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
      merges.addArray().add(parts[0]).add(parts[1]);
    }
    return merges;
  }

  /** What goes around a text: bos and eos where the config asks for them. */
  private static ObjectNode template(ConfigJson config, Vocabulary vocabulary) {
    ObjectNode specials = JsonNodeFactory.instance.objectNode();
    String bos = edge(config, vocabulary, "bos_token", "add_bos_token", specials);
    String eos = edge(config, vocabulary, "eos_token", "add_eos_token", specials);
    ObjectNode template = JsonNodeFactory.instance.objectNode();
    template.put("type", "TemplateProcessing");
    ArrayNode single = template.putArray("single");
    ArrayNode pair = template.putArray("pair");
    for (ArrayNode steps : List.of(single, pair)) {
      steps(steps, bos, "A", 0, eos);
    }
    steps(pair, bos, "B", 1, eos);
    template.set("special_tokens", specials);
    return template;
  }

  private static void steps(ArrayNode steps, String bos, String sequence, int type, String eos) {
    if (!bos.isEmpty()) {
      steps.addObject().putObject("SpecialToken").put("id", bos).put("type_id", type);
    }
    steps.addObject().putObject("Sequence").put("id", sequence).put("type_id", type);
    if (!eos.isEmpty()) {
      steps.addObject().putObject("SpecialToken").put("id", eos).put("type_id", type);
    }
  }

  /** The token to put at an edge, described in {@code specials}; empty for none. */
  private static String edge(
      ConfigJson config, Vocabulary vocabulary, String role, String flag, ObjectNode specials) {
    SpecialTokens.Entry token = SpecialTokens.of(config).named().get(role);
    if (token == null || !config.getBoolean(flag, false)) {
      return "";
    }
    String text = token.content();
    long id =
        vocabulary
            .id(text)
            .orElseThrow(
                () -> config.invalid(role, "expected a token of vocab.json, since " + flag + "."));
    ObjectNode entry = specials.putObject(text).put("id", text);
    entry.putArray("ids").add(id);
    entry.putArray("tokens").add(text);
    return text;
  }
}
