package org.peftjava.transformers.tokenizer;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PythonJson;

/**
 * Builds {@code tokenizer.json} from {@code vocab.txt}, one WordPiece a line.
 *
 * <p>Reference: transformers {@code models/bert/tokenization_bert.py::BertTokenizer}.
 */
final class WordPieceTokenizerJson {
  private static final int MAX_WORD = 100; // longer words are unknown

  private WordPieceTokenizerJson() {}

  static ObjectNode build(Path vocabFile, ConfigJson config) {
    SpecialTokens special = SpecialTokens.of(config);
    ObjectNode model = TokenizerParts.part("WordPiece");
    model.put("unk_token", special.content("unk_token"));
    model.put("continuing_subword_prefix", "##").put("max_input_chars_per_word", MAX_WORD);
    ObjectNode vocab = model.putObject("vocab");
    String[] lines = PythonJson.readText(vocabFile, TokenizerFiles.MAX_BYTES).split("\n", -1);
    int last = lines[lines.length - 1].isEmpty() ? lines.length - 1 : lines.length;
    for (int id = 0; id < last; id++) {
      vocab.put(trimEnd(lines[id]), id);
    }
    ObjectNode json = TokenizerParts.tokenizer(model);
    ObjectNode normalizer = TokenizerParts.part("BertNormalizer").put("clean_text", true);
    normalizer.put("handle_chinese_chars", config.getBoolean("tokenize_chinese_chars", true));
    if (config.has("strip_accents")) {
      normalizer.put("strip_accents", config.getBoolean("strip_accents"));
    } else {
      normalizer.putNull("strip_accents");
    }
    normalizer.put("lowercase", config.getBoolean("do_lower_case", true));
    json.set("normalizer", normalizer);
    json.set("pre_tokenizer", TokenizerParts.part("BertPreTokenizer"));
    json.set("decoder", TokenizerParts.part("WordPiece").put("prefix", "##").put("cleanup", true));
    return json;
  }

  /** Without the white space at the end, Unicode's White_Space as in Rust. */
  private static String trimEnd(String line) {
    int end = line.length();
    while (end > 0 && isWhiteSpace(line.charAt(end - 1))) {
      end--;
    }
    return line.substring(0, end);
  }

  private static boolean isWhiteSpace(char c) {
    return (c >= '\t' && c <= '\r') || c == '\u0085' || Character.isSpaceChar(c);
  }
}
