package org.peftjava.transformers.tokenizer;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Base64;
import java.util.List;
import java.util.Optional;

/** The parts of a {@code tokenizer.json} that several kinds of tokenizers share. */
final class TokenizerParts {
  /** SentencePiece's visible space, U+2581. */
  static final String SPACE = "\u2581";

  private TokenizerParts() {}

  /** A tree with the given model and nothing else. */
  static ObjectNode tokenizer(ObjectNode model) {
    ObjectNode json = part("");
    json.remove("type");
    json.put("version", "1.0").putNull("truncation").putNull("padding").putArray("added_tokens");
    json.putNull("normalizer").putNull("pre_tokenizer").putNull("post_processor");
    json.putNull("decoder");
    json.set("model", model);
    return json;
  }

  static ObjectNode part(String type) {
    return JsonNodeFactory.instance.objectNode().put("type", type);
  }

  static ObjectNode sequence(String key, List<ObjectNode> parts) {
    ObjectNode sequence = part("Sequence");
    sequence.putArray(key).addAll(parts);
    return sequence;
  }

  static ObjectNode byteLevel(boolean addPrefixSpace, boolean useRegex) {
    return part("ByteLevel")
        .put("add_prefix_space", addPrefixSpace)
        .put("trim_offsets", true)
        .put("use_regex", useRegex);
  }

  static ObjectNode metaspace(String prependScheme, boolean split) {
    return part("Metaspace")
        .put("replacement", SPACE)
        .put("prepend_scheme", prependScheme)
        .put("split", split);
  }

  /** Cuts at white space, then as {@code space} says. */
  static ObjectNode words(ObjectNode space) {
    return sequence("pretokenizers", List.of(part("WhitespaceSplit"), space));
  }

  /** The normalization table of a SentencePiece model, if it has one. */
  static Optional<ObjectNode> precompiled(SentencePieceModel model) {
    byte[] table = model.precompiledCharsmap();
    return table.length == 0
        ? Optional.empty()
        : Optional.of(
            part("Precompiled")
                .put("precompiled_charsmap", Base64.getEncoder().encodeToString(table)));
  }

  static ObjectNode replace(String from, String to) {
    ObjectNode replace = part("Replace").put("content", to);
    replace.putObject("pattern").put("String", from);
    return replace;
  }

  static ObjectNode split(String patternKind, String pattern, String behavior) {
    ObjectNode split = part("Split").put("behavior", behavior).put("invert", false);
    split.putObject("pattern").put(patternKind, pattern);
    return split;
  }

  /** A BPE model without vocabulary and merges. */
  static ObjectNode bpe() {
    return part("BPE")
        .putNull("dropout")
        .putNull("unk_token")
        .putNull("continuing_subword_prefix")
        .putNull("end_of_word_suffix")
        .put("fuse_unk", false)
        .put("byte_fallback", false)
        .put("ignore_merges", false);
  }

  static void addMerge(ArrayNode merges, String left, String right) {
    merges.addArray().add(left).add(right);
  }
}
