package org.peftjava.transformers.tokenizer;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.InvalidFileException;
import org.peftjava.transformers.config.PythonJson;

/**
 * Builds {@code tokenizer.json} from a vocabulary of tiktoken, such as the {@code tokenizer.model}
 * of Llama 3: in each line the bytes of a token in base64 and its rank, which is its id.
 *
 * <p>Reference: transformers {@code convert_slow_tokenizer.py::TikTokenConverter} and {@code
 * TokenizersBackend._convert_from_tiktoken}.
 */
final class TiktokenTokenizerJson {
  private static final long MAX_BYTES = 64L << 20; // real files have 1 to 4 MiB
  private static final int MAX_TOKEN = 256; // bytes; the longest of real files have 128
  private static final int MAX_RESERVED = 1 << 16;

  /** How text is cut into words. */
  private static final String WORDS =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
          + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

  /** The character that stands for each byte. */
  private static final String VISIBLE = visible();

  private TiktokenTokenizerJson() {}

  /** Whether a file begins as such vocabularies do; a SentencePiece model begins with a newline. */
  static boolean accepts(Path file) {
    try (InputStream in = Files.newInputStream(file)) {
      int first = in.read();
      return first < 128 && (Character.isLetterOrDigit(first) || first == '+' || first == '/');
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot read " + file + ": " + e.getMessage() + ".", e);
    }
  }

  static ObjectNode build(Path file, ConfigJson config) {
    Map<String, Integer> ranks = ranks(file);
    ObjectNode model = TokenizerParts.bpe().put("ignore_merges", true);
    ObjectNode vocab = model.putObject("vocab");
    ranks.forEach((token, rank) -> vocab.put(visible(token), rank));
    model.set("merges", merges(ranks));
    ObjectNode json = TokenizerParts.tokenizer(model);
    json.set(
        "pre_tokenizer",
        TokenizerParts.sequence(
            "pretokenizers",
            List.of(
                TokenizerParts.split("Regex", WORDS, "Isolated"),
                TokenizerParts.byteLevel(false, false))));
    json.set("decoder", TokenizerParts.byteLevel(true, true));
    if (!config.has("add_bos_token") && !config.has("add_eos_token")) {
      json.set("post_processor", TokenizerParts.byteLevel(true, true).put("trim_offsets", false));
    }
    AddedTokenList.add(json, Vocabulary.of(json, file), added(config, ranks.size()));
    return json;
  }

  /** Tokens behind the vocabulary up to the last that the config lists; gaps are reserved. */
  private static List<AddedToken> added(ConfigJson config, int size) {
    SpecialTokens tokens = SpecialTokens.of(config);
    int end = tokens.decoder().keySet().stream().mapToInt(id -> id + 1).max().orElse(0);
    if (end - size > MAX_RESERVED) {
      throw config.invalid(
          SpecialTokens.DECODER,
          "expected ids close behind the " + size + " tokens of the vocabulary, not " + (end - 1));
    }
    Set<String> texts = new HashSet<>();
    List<AddedToken> added = new ArrayList<>();
    for (int id = size; id < end; id++) {
      AddedToken token = tokens.decoder().get(id);
      added.add(
          AddedToken.special(token == null ? "<|reserved_token_" + id + "|>" : token.content()));
    }
    added.forEach(token -> texts.add(token.content()));
    tokens.extra().stream()
        .filter(token -> texts.add(token.content()))
        .forEach(token -> added.add(AddedToken.special(token.content())));
    return added;
  }

  /** Token, one char for each byte, to rank; in the order of the file. */
  private static Map<String, Integer> ranks(Path file) {
    Map<String, Integer> ranks = new LinkedHashMap<>();
    Set<Integer> used = new HashSet<>();
    int line = 0;
    for (String text : PythonJson.readText(file, MAX_BYTES).lines().toList()) {
      line++;
      if (text.isEmpty()) {
        continue;
      }
      String[] parts = text.strip().split(" ", -1);
      byte[] token = {};
      int rank = -1;
      if (parts.length == 2) {
        try {
          token = Base64.getDecoder().decode(parts[0]);
          rank = Integer.parseInt(parts[1]);
        } catch (IllegalArgumentException e) {
          rank = -1;
        }
      }
      if (token.length == 0 || token.length > MAX_TOKEN || rank < 0) {
        throw new InvalidFileException(
            file,
            "is no tiktoken vocabulary: line "
                + line
                + " is not 1 to "
                + MAX_TOKEN
                + " bytes in base64, a space, and their rank.");
      }
      String bytes = new String(token, StandardCharsets.ISO_8859_1);
      if (ranks.put(bytes, rank) != null || !used.add(rank)) {
        throw new InvalidFileException(
            file, "has the token or the rank of line " + line + " twice.");
      }
    }
    return ranks;
  }

  private record Merge(String left, String right, int rank, int leftRank, int rightRank) {}

  /** Every way to make a token from two others: in their order, then in that of the two. */
  private static ArrayNode merges(Map<String, Integer> ranks) {
    List<Merge> merges = new ArrayList<>();
    ranks.forEach(
        (token, rank) -> {
          for (int at = 1; at < token.length(); at++) {
            Integer left = ranks.get(token.substring(0, at));
            Integer right = left == null ? null : ranks.get(token.substring(at));
            if (left != null && right != null) {
              merges.add(new Merge(token.substring(0, at), token.substring(at), rank, left, right));
            }
          }
        });
    merges.sort(
        Comparator.comparingInt(Merge::rank)
            .thenComparingInt(Merge::leftRank)
            .thenComparingInt(Merge::rightRank));
    ArrayNode result = JsonNodeFactory.instance.arrayNode(merges.size());
    merges.forEach(
        merge -> TokenizerParts.addMerge(result, visible(merge.left), visible(merge.right)));
    return result;
  }

  /** The byte-level form: a visible character for each byte; Python's {@code bytes_to_unicode}. */
  private static String visible(String bytes) {
    StringBuilder result = new StringBuilder(bytes.length());
    bytes.chars().forEach(value -> result.append(VISIBLE.charAt(value)));
    return result.toString();
  }

  /** Bytes that are visible in Latin-1 stay, the others become the characters from 256 on. */
  private static String visible() {
    StringBuilder table = new StringBuilder();
    int other = 256;
    for (int value = 0; value < 256; value++) {
      boolean stays =
          (value >= '!' && value <= '~')
              || (value >= 0xA1 && value <= 0xAC)
              || (value >= 0xAE && value <= 0xFF);
      table.append((char) (stays ? value : other++));
    }
    return table.toString();
  }
}
