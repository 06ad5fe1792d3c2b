package org.peftjava.transformers.tokenizer;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.peftjava.transformers.config.ConfigJson;

/**
 * What XLM-R and mBART make of a SentencePiece model: its first three pieces give way to four
 * tokens in fairseq's order, and languages and the mask follow at the end.
 *
 * <p>Reference: transformers {@code models/xlm_roberta/tokenization_xlm_roberta.py}, {@code
 * models/mbart/tokenization_mbart.py}, {@code models/mbart50/tokenization_mbart50.py} and {@code
 * convert_from_spm} of their converters.
 */
final class FairseqTokenizerJson {
  /** The key of the language of texts in {@code tokenizer_config.json}. */
  static final String LANGUAGE = "src_lang";

  static final String DEFAULT_LANGUAGE = "en_XX";

  private static final int REPLACED = 3;
  private static final int UNK_ID = 3;
  private static final List<String> FIRST =
      List.of("bos_token", "pad_token", "eos_token", "unk_token");

  private static final List<String> MBART_LANGUAGES =
      List.of(
          "ar_AR", "cs_CZ", "de_DE", "en_XX", "es_XX", "et_EE", "fi_FI", "fr_XX", "gu_IN", "hi_IN",
          "it_IT", "ja_XX", "kk_KZ", "ko_KR", "lt_LT", "lv_LV", "my_MM", "ne_NP", "nl_XX", "ro_RO",
          "ru_RU", "si_LK", "tr_TR", "vi_VN", "zh_CN");

  private static final List<String> FURTHER_LANGUAGES =
      List.of(
          "af_ZA", "az_AZ", "bn_IN", "fa_IR", "he_IL", "hr_HR", "id_ID", "ka_GE", "km_KH", "mk_MK",
          "ml_IN", "mn_MN", "mr_IN", "pl_PL", "ps_AF", "pt_XX", "sv_SE", "sw_KE", "ta_IN", "te_IN",
          "th_TH", "tl_XX", "uk_UA", "ur_PK", "xh_ZA", "gl_ES", "sl_SI");

  private FairseqTokenizerJson() {}

  /** The languages that a class knows, in the order of their ids. */
  static List<String> languages(TokenizerClass kind) {
    List<String> languages = new ArrayList<>();
    if (kind == TokenizerClass.MBART || kind == TokenizerClass.MBART50) {
      languages.addAll(MBART_LANGUAGES);
    }
    if (kind == TokenizerClass.MBART50) {
      languages.addAll(FURTHER_LANGUAGES);
    }
    return languages;
  }

  /** mBART's mask takes the space before it, where the config gives it as plain text. */
  static ConfigJson withMask(ConfigJson config, TokenizerClass kind) {
    boolean isPlain = config.node("mask_token").map(node -> node.isTextual()).orElse(false);
    return isPlain && !languages(kind).isEmpty()
        ? config.with(
            "mask_token", Map.of("content", config.getString("mask_token"), "lstrip", true))
        : config;
  }

  static ObjectNode build(SentencePieceModel model, ConfigJson config, TokenizerClass kind) {
    ObjectNode unigram =
        TokenizerParts.part("Unigram").put("unk_id", UNK_ID).put("byte_fallback", false);
    SpecialTokens tokens = SpecialTokens.of(config);
    ArrayNode vocab = unigram.putArray("vocab");
    FIRST.forEach(role -> add(vocab, text(tokens, role, config), 0));
    model.pieces().stream()
        .skip(REPLACED)
        .forEach(piece -> add(vocab, piece.text(), piece.score()));
    languages(kind).forEach(language -> add(vocab, language, 0));
    add(vocab, text(tokens, "mask_token", config), 0);

    ObjectNode json = TokenizerParts.tokenizer(unigram);
    boolean addPrefixSpace =
        kind != TokenizerClass.XLM_ROBERTA || config.getBoolean("add_prefix_space", true);
    ObjectNode space = TokenizerParts.metaspace(addPrefixSpace ? "always" : "never", true);
    json.set("decoder", space);
    if (kind == TokenizerClass.MBART50) {
      List<ObjectNode> normalizers = new ArrayList<>();
      TokenizerParts.precompiled(model).ifPresent(normalizers::add);
      ObjectNode oneSpace = TokenizerParts.part("Replace").put("content", " ");
      oneSpace.putObject("pattern").put("Regex", " {2,}");
      normalizers.add(oneSpace);
      json.set("normalizer", TokenizerParts.sequence("normalizers", normalizers));
      json.set("pre_tokenizer", space);
      return json;
    }
    if (kind == TokenizerClass.XLM_ROBERTA) {
      TokenizerParts.precompiled(model).ifPresent(part -> json.set("normalizer", part));
    }
    json.set("pre_tokenizer", TokenizerParts.words(space));
    return json;
  }

  /** mBART-50 has no begin token; its first place is the classifier's. */
  private static String text(SpecialTokens tokens, String role, ConfigJson config) {
    String own = tokens.content(role);
    String text = own.isEmpty() && role.equals("bos_token") ? tokens.content("cls_token") : own;
    if (text.isEmpty()) {
      throw config.invalid(role, "expected a token, since it has a place in the vocabulary.");
    }
    return text;
  }

  private static void add(ArrayNode vocab, String text, double score) {
    vocab.addArray().add(text).add(score);
  }
}
