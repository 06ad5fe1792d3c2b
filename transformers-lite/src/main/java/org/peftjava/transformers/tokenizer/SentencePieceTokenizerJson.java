package org.peftjava.transformers.tokenizer;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.InvalidFileException;

/**
 * Builds {@code tokenizer.json} from a SentencePiece model.
 *
 * <p>Reference: transformers {@code TokenizersBackend._convert_from_sentencepiece}, {@code
 * models/t5/tokenization_t5.py}, {@code models/llama/tokenization_llama.py}, {@code
 * models/gemma/tokenization_gemma.py}, {@code models/deberta_v2/tokenization_deberta_v2.py} and
 * {@code convert_slow_tokenizer.py::SpmConverter.build_tokenizer_from_spm_proto}.
 */
final class SentencePieceTokenizerJson {
  private static final int T5_UNK_ID = 2;
  private static final int MAX_EXTRA_IDS = 100_000;

  private final Path file;
  private final SentencePieceModel model;

  SentencePieceTokenizerJson(Path file) {
    this.file = file;
    model = SentencePieceModel.read(file);
  }

  /** The config with the special tokens that the class and the model bring along. */
  ConfigJson withDefaults(ConfigJson config, TokenizerClass kind) {
    ConfigJson result = FairseqTokenizerJson.withMask(kind.withDefaults(config), kind);
    if (kind == TokenizerClass.BACKEND) {
      for (String role : List.of("bos_token", "eos_token", "unk_token")) {
        if (!config.keys().contains(role) && model.special().containsKey(role)) {
          result = result.with(role, model.special().get(role));
        }
      }
    }
    SpecialTokens tokens = SpecialTokens.of(config);
    List<ObjectNode> extra = new ArrayList<>();
    if (tokens.extra().isEmpty()) {
      for (SentencePieceModel.Piece piece : model.pieces()) {
        if (piece.isControl() || piece.isUserDefined()) {
          extra.add(extra(piece.text(), piece.isControl()));
        }
      }
      FairseqTokenizerJson.languages(kind).forEach(code -> extra.add(extra(code, true)));
      if (kind == TokenizerClass.T5) {
        for (int i = 0; i < extraIds(config); i++) {
          extra.add(extra(sentinel(i), true));
        }
      }
      result = result.with(SpecialTokens.EXTRA, extra);
    }
    return result;
  }

  private static ObjectNode extra(String text, boolean special) {
    ObjectNode token = new AddedToken(text, false, false, false, false, special).toJson(0);
    token.remove("id");
    return token;
  }

  ObjectNode build(ConfigJson config, TokenizerClass kind) {
    boolean isUnigramFile = model.type() == SentencePieceModel.Type.UNIGRAM;
    boolean isUnigram =
        kind == TokenizerClass.T5
            || kind.isFairseq()
            || kind == TokenizerClass.DEBERTA_V2
            || (kind == TokenizerClass.BACKEND && isUnigramFile);
    if (model.type() == SentencePieceModel.Type.OTHER || isUnigram != isUnigramFile) {
      throw new InvalidFileException(
          file,
          "is a SentencePiece model of the type "
              + model.type()
              + "; "
              + kind.pythonName()
              + " needs "
              + (isUnigram ? "UNIGRAM" : "BPE")
              + ".");
    }
    if (kind.isFairseq()) {
      return FairseqTokenizerJson.build(model, config, kind);
    }
    ObjectNode json =
        TokenizerParts.tokenizer(isUnigram ? unigram(config, kind) : bpe(config, kind));
    switch (kind) {
      case T5 -> t5(json);
      case LLAMA -> llama(json, config);
      case GEMMA -> gemma(json);
      case DEBERTA_V2 -> deberta(json, config);
      default -> backend(json);
    }
    return json;
  }

  private ObjectNode unigram(ConfigJson config, TokenizerClass kind) {
    boolean isT5 = kind == TokenizerClass.T5;
    int unkId =
        isT5 ? T5_UNK_ID : kind == TokenizerClass.DEBERTA_V2 ? debertaUnkId(config) : model.unkId();
    if (unkId < 0 || unkId >= model.pieces().size()) {
      throw new InvalidFileException(
          file,
          "has "
              + model.pieces().size()
              + " pieces, but its unknown piece is to have the id "
              + unkId
              + ".");
    }
    ObjectNode unigram = TokenizerParts.part("Unigram").put("unk_id", unkId);
    unigram.put("byte_fallback", kind == TokenizerClass.BACKEND && model.byteFallback());
    ArrayNode vocab = unigram.putArray("vocab");
    model.pieces().forEach(piece -> vocab.addArray().add(piece.text()).add((double) piece.score()));
    for (int i = isT5 ? extraIds(config) - 1 : -1; i >= 0; i--) {
      vocab.addArray().add(sentinel(i)).add(0.0);
    }
    return unigram;
  }

  private ObjectNode bpe(ConfigJson config, TokenizerClass kind) {
    boolean isBackend = kind == TokenizerClass.BACKEND;
    ObjectNode bpe = TokenizerParts.bpe().put("fuse_unk", true);
    bpe.put("byte_fallback", !isBackend || model.byteFallback());
    String unknown =
        isBackend
            ? model.special().getOrDefault("unk_token", "")
            : SpecialTokens.of(config).content("unk_token");
    if (kind != TokenizerClass.LLAMA && !unknown.isEmpty()) {
      bpe.put("unk_token", unknown);
    }
    ObjectNode vocab = bpe.putObject("vocab");
    for (int id = 0; id < model.pieces().size(); id++) {
      vocab.put(model.pieces().get(id).text(), id);
    }
    bpe.set("merges", MergeList.of(model.pieces()));
    return bpe;
  }

  private void t5(ObjectNode json) {
    TokenizerParts.precompiled(model).ifPresent(part -> json.set("normalizer", part));
    ObjectNode space = TokenizerParts.metaspace("always", true);
    json.set("pre_tokenizer", TokenizerParts.words(space));
    json.set("decoder", space);
  }

  private static void llama(ObjectNode json, ConfigJson config) {
    boolean addPrefixSpace = config.getBoolean("add_prefix_space", true);
    String first = config.getBoolean("legacy", false) ? "always" : "first";
    String scheme = addPrefixSpace ? first : "never";
    json.set("pre_tokenizer", TokenizerParts.metaspace(scheme, false));
    json.set("decoder", decoder(true, addPrefixSpace));
  }

  private static void gemma(ObjectNode json) {
    json.set("normalizer", TokenizerParts.replace(" ", TokenizerParts.SPACE));
    json.set("pre_tokenizer", TokenizerParts.split("String", " ", "MergedWithPrevious"));
    json.set("decoder", decoder(true, false));
  }

  /** The unknown token's place among the pieces, else that of the config, else 1. */
  private int debertaUnkId(ConfigJson config) {
    String unknown = SpecialTokens.of(config).content("unk_token");
    for (int id = 0; id < model.pieces().size(); id++) {
      SentencePieceModel.Piece piece = model.pieces().get(id);
      if (piece.text().equals(unknown) && piece.score() == 0) {
        return id;
      }
    }
    return config.getInt("unk_id", 1);
  }

  private static void deberta(ObjectNode json, ConfigJson config) {
    List<ObjectNode> normalizers = new ArrayList<>();
    if (config.getBoolean("do_lower_case", false)) {
      normalizers.add(TokenizerParts.part("Lowercase"));
    }
    ObjectNode oneSpace = TokenizerParts.part("Replace").put("content", " ");
    oneSpace.putObject("pattern").put("Regex", "\\s{2,}|[\\n\\r\\t]");
    normalizers.add(oneSpace);
    normalizers.add(TokenizerParts.part("NFC"));
    normalizers.add(TokenizerParts.part("Strip").put("strip_left", false).put("strip_right", true));
    json.set("normalizer", TokenizerParts.sequence("normalizers", normalizers));
    List<ObjectNode> cuts = new ArrayList<>();
    if (config.getBoolean("split_by_punct", false)) {
      cuts.add(TokenizerParts.part("Punctuation").put("behavior", "Isolated"));
    }
    boolean addPrefixSpace = config.getBoolean("add_prefix_space", true);
    ObjectNode space = TokenizerParts.metaspace(addPrefixSpace ? "always" : "first", true);
    cuts.add(space);
    json.set("pre_tokenizer", TokenizerParts.sequence("pretokenizers", cuts));
    json.set("decoder", space);
  }

  private void backend(ObjectNode json) {
    List<ObjectNode> normalizers = new ArrayList<>();
    TokenizerParts.precompiled(model).ifPresent(normalizers::add);
    normalizers.add(TokenizerParts.replace(" ", TokenizerParts.SPACE));
    json.set("normalizer", TokenizerParts.sequence("normalizers", normalizers));
    json.set("decoder", decoder(model.byteFallback(), false));
  }

  private static ObjectNode decoder(boolean byteFallback, boolean stripFirst) {
    List<ObjectNode> parts = new ArrayList<>();
    parts.add(TokenizerParts.replace(TokenizerParts.SPACE, " "));
    if (byteFallback) {
      parts.add(TokenizerParts.part("ByteFallback"));
      parts.add(TokenizerParts.part("Fuse"));
    }
    if (stripFirst) {
      parts.add(TokenizerParts.part("Strip").put("content", " ").put("start", 1).put("stop", 0));
    }
    return TokenizerParts.sequence("decoders", parts);
  }

  private static int extraIds(ConfigJson config) {
    int count = config.getInt("extra_ids", 100);
    if (count < 0 || count > MAX_EXTRA_IDS) {
      throw config.invalid("extra_ids", "expected 0 to " + MAX_EXTRA_IDS + ".");
    }
    return count;
  }

  private static String sentinel(int i) {
    return "<extra_id_" + i + ">";
  }
}
