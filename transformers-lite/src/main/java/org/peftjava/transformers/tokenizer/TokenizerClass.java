package org.peftjava.transformers.tokenizer;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.peftjava.transformers.config.ConfigJson;

/**
 * The Python classes whose files can be read, with what each class adds to its files.
 *
 * <p>Reference: transformers {@code models/auto/tokenization_auto.py} for the choice, and {@code
 * models/X/tokenization_X.py} for the defaults.
 */
enum TokenizerClass {
  BERT("BertTokenizer", Side.RIGHT, "[UNK] [SEP] [PAD] [CLS] [MASK]", "unk sep pad cls mask"),
  DISTILBERT("DistilBertTokenizer", Side.RIGHT, BERT.tokens, BERT.roles),
  ROBERTA(
      "RobertaTokenizer",
      Side.RIGHT,
      "<s> </s> </s> <s> <unk> <pad> <mask>",
      "bos eos sep cls unk pad mask"),
  GPT2("GPT2Tokenizer", Side.RIGHT, "<|endoftext|> <|endoftext|> <|endoftext|>", "unk bos eos"),
  GPT_NEOX(
      "GPTNeoXTokenizer",
      Side.RIGHT,
      "<|endoftext|> <|endoftext|> <|endoftext|> <|padding|>",
      "unk bos eos pad"),
  QWEN2("Qwen2Tokenizer", Side.RIGHT, "<|endoftext|> <|endoftext|> <|endoftext|>", "unk eos pad"),
  T5("T5Tokenizer", Side.RIGHT, "</s> <unk> <pad>", "eos unk pad"),
  LLAMA("LlamaTokenizer", Side.LEFT, "<unk> <s> </s>", "unk bos eos"),
  GEMMA("GemmaTokenizer", Side.LEFT, "<unk> <bos> <eos> <pad> <mask>", "unk bos eos pad mask"),
  XLM_ROBERTA(
      "XLMRobertaTokenizer",
      Side.RIGHT,
      "<s> </s> </s> <s> <unk> <pad> <mask>",
      "bos eos sep cls unk pad mask"),
  MBART("MBartTokenizer", Side.RIGHT, XLM_ROBERTA.tokens, XLM_ROBERTA.roles),
  MBART50(
      "MBart50Tokenizer",
      Side.RIGHT,
      "</s> </s> <s> <unk> <pad> <mask>",
      "eos sep cls unk pad mask"),
  DEBERTA_V2(
      "DebertaV2Tokenizer",
      Side.RIGHT,
      "[CLS] [SEP] [UNK] [SEP] [PAD] [CLS] [MASK]",
      "bos eos unk sep pad cls mask"),
  BACKEND("TokenizersBackend", Side.RIGHT, "", "");

  private static final Map<String, TokenizerClass> OTHER_NAMES =
      Map.of(
          "ElectraTokenizer", BERT,
          "BartTokenizer", ROBERTA,
          "CodeGenTokenizer", GPT2,
          "MT5Tokenizer", T5);

  private static final Map<String, TokenizerClass> MODEL_TYPES = new LinkedHashMap<>();

  static {
    put(BERT, "bert", "distilbert", "electra");
    put(ROBERTA, "roberta", "bart");
    put(GPT2, "gpt2", "opt", "gpt_neo", "gptj", "phi", "starcoder2", "codegen");
    put(QWEN2, "qwen2", "qwen2_moe", "qwen3", "qwen3_moe");
    put(T5, "t5", "mt5", "switch_transformers");
    put(GEMMA, "gemma", "gemma2", "gemma3", "gemma3_text");
    put(XLM_ROBERTA, "xlm-roberta", "xmod");
    put(MBART, "mbart");
    put(MBART50, "mbart50");
    put(DEBERTA_V2, "deberta-v2");
    put(BACKEND, "mistral", "mixtral", "ministral", "phi3", "bloom", "granite");
    put(GPT_NEOX, "gpt_neox");
  }

  private final String pythonName;
  private final Side paddingSide;
  private final String tokens;
  private final String roles;

  TokenizerClass(String pythonName, Side paddingSide, String tokens, String roles) {
    this.pythonName = pythonName;
    this.paddingSide = paddingSide;
    this.tokens = tokens;
    this.roles = roles;
  }

  private static void put(TokenizerClass value, String... modelTypes) {
    for (String type : modelTypes) {
      MODEL_TYPES.put(type, value);
    }
  }

  /**
   * The class that Python's {@code AutoTokenizer} takes: that of {@code tokenizer_config.json} or
   * {@code config.json}, else that of the model type; some model types overrule the name. Empty
   * where the name says nothing.
   */
  static Optional<TokenizerClass> of(ConfigJson tokenizerConfig, ConfigJson modelConfig) {
    Optional<TokenizerClass> registered =
        modelConfig.findString("model_type").map(MODEL_TYPES::get);
    Optional<String> name =
        tokenizerConfig
            .findString("tokenizer_class")
            .or(() -> modelConfig.findString("tokenizer_class"));
    if (name.isEmpty() || registered.equals(Optional.of(BACKEND))) {
      return registered;
    }
    return named(name.get());
  }

  private static Optional<TokenizerClass> named(String name) {
    String plain = name.endsWith("Fast") ? name.substring(0, name.length() - 4) : name;
    for (TokenizerClass value : values()) {
      if (value.pythonName.equals(plain)) {
        return Optional.of(value);
      }
    }
    if (Set.of("PreTrainedTokenizer", "BloomTokenizer").contains(plain)) {
      return Optional.of(BACKEND);
    }
    return Optional.ofNullable(OTHER_NAMES.get(plain));
  }

  /** The name in {@code tokenizer_config.json}. */
  String pythonName() {
    return pythonName;
  }

  /** Where short rows are padded if the config is silent. */
  Side paddingSide() {
    return paddingSide;
  }

  /** Whether it puts fairseq's tokens in front of the pieces of a SentencePiece model. */
  boolean isFairseq() {
    return this == XLM_ROBERTA || this == MBART || this == MBART50;
  }

  /** The config with the class's default tokens where it is silent; an explicit null means none. */
  ConfigJson withDefaults(ConfigJson config) {
    ConfigJson result = config;
    if (!roles.isEmpty()) {
      List<String> names = List.of(roles.split(" ", -1));
      List<String> values = List.of(tokens.split(" ", -1));
      for (int i = 0; i < names.size(); i++) {
        String role = names.get(i) + "_token";
        if (!config.keys().contains(role)) {
          result = result.with(role, values.get(i));
        }
      }
    }
    return result;
  }
}
