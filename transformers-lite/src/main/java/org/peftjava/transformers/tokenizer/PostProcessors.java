package org.peftjava.transformers.tokenizer;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.peftjava.transformers.config.ConfigJson;

/** Builds the part of a {@code tokenizer.json} that puts special tokens around texts. */
final class PostProcessors {
  private final ObjectNode specials = JsonNodeFactory.instance.objectNode();
  private final ConfigJson config;
  private final Vocabulary vocabulary;

  private PostProcessors(ConfigJson config, Vocabulary vocabulary) {
    this.config = config;
    this.vocabulary = vocabulary;
  }

  /** What a class makes of its config; {@code vocabulary} has all added tokens. */
  static ObjectNode of(TokenizerClass kind, ConfigJson config, Vocabulary vocabulary) {
    PostProcessors processors = new PostProcessors(config, vocabulary);
    return switch (kind) {
      case BERT, DISTILBERT, DEBERTA_V2 ->
          processors.template(
              "cls_token:0 $A:0 sep_token:0", "cls_token:0 $A:0 sep_token:0 $B:1 sep_token:1");
      case T5 -> processors.template("$A:0 eos_token:0", "$A:0 eos_token:0 $B:0 eos_token:0");
      case ROBERTA -> processors.roberta();
      case XLM_ROBERTA ->
          processors.template(
              "bos_token:0 $A:0 eos_token:0",
              "bos_token:0 $A:0 eos_token:0 eos_token:0 $B:0 eos_token:0");
      case MBART ->
          processors.template("$A:0 eos_token:0 src_lang:0", "$A:0 $B:0 eos_token:0 src_lang:0");
      case MBART50 ->
          processors.template("src_lang:0 $A:0 eos_token:0", "src_lang:0 $A:0 $B:0 eos_token:0");
      default -> processors.edges();
    };
  }

  /** Bos and eos around each text where the config asks for them (update_post_processor). */
  private ObjectNode edges() {
    String bos = isAsked("bos_token", "add_bos_token") ? "bos_token:0 " : "";
    String eos = isAsked("eos_token", "add_eos_token") ? " eos_token:0" : "";
    String single = bos + "$A:0" + eos;
    return template(single, single + " " + single.replace("$A", "$B").replace(":0", ":1"));
  }

  private boolean isAsked(String role, String flag) {
    return config.getBoolean(flag, false) && config.has(role);
  }

  /**
   * A {@code TemplateProcessing}.
   *
   * @param single {@code $A} and the roles of special tokens or "src_lang", each with ":" and its
   *     type id, between spaces
   * @param pair the same for two texts, {@code $A} and {@code $B}
   */
  private ObjectNode template(String single, String pair) {
    ObjectNode template = TokenizerParts.part("TemplateProcessing");
    sequence(template.putArray("single"), single);
    sequence(template.putArray("pair"), pair);
    template.set("special_tokens", specials);
    return template;
  }

  private void sequence(ArrayNode steps, String pieces) {
    for (String piece : pieces.split(" ", -1)) {
      int colon = piece.lastIndexOf(':');
      String name = piece.substring(0, colon);
      boolean isText = name.startsWith("$");
      steps
          .addObject()
          .putObject(isText ? "Sequence" : "SpecialToken")
          .put("id", isText ? name.substring(1) : special(name))
          .put("type_id", Integer.parseInt(piece.substring(colon + 1)));
    }
  }

  private String special(String role) {
    String text =
        role.equals(FairseqTokenizerJson.LANGUAGE)
            ? config.getString(role, FairseqTokenizerJson.DEFAULT_LANGUAGE)
            : SpecialTokens.of(config).content(role);
    ObjectNode entry = specials.putObject(text).put("id", text);
    entry.putArray("ids").add(id(role, text));
    entry.putArray("tokens").add(text);
    return text;
  }

  private ObjectNode roberta() {
    ObjectNode processor = TokenizerParts.part("RobertaProcessing");
    for (String name : new String[] {"sep", "cls"}) {
      String text = SpecialTokens.of(config).content(name + "_token");
      processor.putArray(name).add(text).add(id(name + "_token", text));
    }
    return processor
        .put("trim_offsets", config.getBoolean("trim_offsets", true))
        .put("add_prefix_space", config.getBoolean("add_prefix_space", false));
  }

  private long id(String role, String text) {
    return vocabulary
        .id(text)
        .orElseThrow(
            () -> config.invalid(role, "expected a token, since it stands around every text."));
  }
}
