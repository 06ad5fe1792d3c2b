package org.peftjava.transformers.tokenizer;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.peftjava.transformers.checkpoint.FileBatch;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.InvalidFileException;
import org.peftjava.transformers.config.PythonJson;

/**
 * The files of a tokenizer, brought into one form.
 *
 * @param tokenizerJson a {@code tokenizer.json} tree, with all special tokens and without
 *     truncation and padding
 * @param config {@code tokenizer_config.json}, with what {@code special_tokens_map.json} and {@code
 *     added_tokens.json} add
 * @param kind the Python class that reads these files
 */
record TokenizerFiles(ObjectNode tokenizerJson, ConfigJson config, TokenizerClass kind) {
  static final String TOKENIZER = "tokenizer.json";
  static final String CONFIG = "tokenizer_config.json";
  static final String SPECIAL_TOKENS = "special_tokens_map.json";
  static final String ADDED_TOKENS = "added_tokens.json";
  static final String VOCAB = "vocab.json";
  static final String MERGES = "merges.txt";
  static final String WORD_PIECES = "vocab.txt";
  static final String T5_PIECES = "spiece.model";
  static final String FAIRSEQ_PIECES = "sentencepiece.bpe.model";
  static final String DEBERTA_PIECES = "spm.model";
  static final List<String> SENTENCE_PIECES =
      List.of("tokenizer.model", T5_PIECES, FAIRSEQ_PIECES, DEBERTA_PIECES);
  static final List<String> TIKTOKEN = List.of("tokenizer.model", "tiktoken.model");
  static final long MAX_BYTES = 512L << 20;

  static TokenizerFiles read(Path folder) {
    FileBatch.finishInterrupted(folder);
    ConfigJson config = ChatTemplateFiles.addTo(config(folder), folder);
    Optional<TokenizerClass> named = TokenizerClass.of(config, modelConfig(folder));
    Path fast = folder.resolve(TOKENIZER);
    TokenizerFiles files =
        Files.exists(fast)
            ? fast(fast, config, named.orElse(TokenizerClass.BACKEND))
            : built(folder, config, named);
    AddedTokenList.addNamed(
        files.tokenizerJson,
        Vocabulary.of(files.tokenizerJson, folder),
        SpecialTokens.of(files.config));
    if (!files.tokenizerJson.path("post_processor").isObject()) {
      files.tokenizerJson.set(
          "post_processor",
          PostProcessors.of(files.kind, files.config, Vocabulary.of(files.tokenizerJson, folder)));
    }
    TokenizerJsonCheck.check(files.tokenizerJson, folder);
    return files;
  }

  private static TokenizerFiles fast(Path file, ConfigJson config, TokenizerClass kind) {
    if (!(PythonJson.read(file, MAX_BYTES) instanceof ObjectNode json)) {
      throw new InvalidFileException(file, "is not a JSON object.");
    }
    json.putNull("truncation");
    json.putNull("padding");
    ConfigJson plain = config.without("add_bos_token").without("add_eos_token"); // as in Python
    return new TokenizerFiles(json, kind.withDefaults(plain), kind);
  }

  private static TokenizerFiles built(
      Path folder, ConfigJson config, Optional<TokenizerClass> named) {
    Optional<Path> ranks =
        existing(folder, TIKTOKEN).filter(TiktokenTokenizerJson::accepts).findFirst();
    if (ranks.isPresent()) {
      TokenizerClass kind = named.orElse(TokenizerClass.BACKEND);
      requireOneOf(
          config,
          kind,
          ranks.get(),
          Set.of(
              TokenizerClass.LLAMA,
              TokenizerClass.GPT2,
              TokenizerClass.QWEN2,
              TokenizerClass.BACKEND));
      ConfigJson full = kind.withDefaults(config);
      return new TokenizerFiles(TiktokenTokenizerJson.build(ranks.get(), full), full, kind);
    }
    Optional<Path> pieces = existing(folder, SENTENCE_PIECES).findFirst();
    if (pieces.isPresent()) {
      return ofPieces(pieces.get(), config, named);
    }
    Path vocab = folder.resolve(VOCAB);
    Path merges = folder.resolve(MERGES);
    if (Files.exists(vocab) && Files.exists(merges)) {
      TokenizerClass kind =
          named.filter(k -> k != TokenizerClass.BACKEND).orElse(TokenizerClass.GPT2);
      requireOneOf(
          config,
          kind,
          vocab,
          Set.of(TokenizerClass.GPT2, TokenizerClass.ROBERTA, TokenizerClass.QWEN2));
      ConfigJson full = kind.withDefaults(config.with("tokenizer_class", kind.pythonName()));
      return new TokenizerFiles(BpeTokenizerJson.build(vocab, merges, full, kind), full, kind);
    }
    Path wordPieces = folder.resolve(WORD_PIECES);
    if (Files.exists(wordPieces)) {
      TokenizerClass kind = named.orElse(TokenizerClass.BERT);
      requireOneOf(
          config, kind, wordPieces, Set.of(TokenizerClass.BERT, TokenizerClass.DISTILBERT));
      ConfigJson full = kind.withDefaults(config);
      return new TokenizerFiles(WordPieceTokenizerJson.build(wordPieces, full), full, kind);
    }
    throw new UncheckedIOException(
        "There is no tokenizer in "
            + folder
            + ": expected "
            + TOKENIZER
            + ", or "
            + VOCAB
            + " and "
            + MERGES
            + ", or "
            + WORD_PIECES
            + ", or one of "
            + SENTENCE_PIECES
            + " or tiktoken.model. Save it there with Python: tokenizer.save_pretrained(folder).",
        new NoSuchFileException(folder.resolve(TOKENIZER).toString()));
  }

  private static Stream<Path> existing(Path folder, List<String> names) {
    return names.stream().map(folder::resolve).filter(Files::exists);
  }

  private static TokenizerFiles ofPieces(
      Path file, ConfigJson config, Optional<TokenizerClass> named) {
    boolean isFairseq = file.endsWith(FAIRSEQ_PIECES);
    boolean isDeberta = file.endsWith(DEBERTA_PIECES);
    TokenizerClass likely =
        file.endsWith(T5_PIECES)
            ? TokenizerClass.T5
            : isFairseq
                ? TokenizerClass.XLM_ROBERTA
                : isDeberta ? TokenizerClass.DEBERTA_V2 : TokenizerClass.BACKEND;
    TokenizerClass kind = named.orElse(likely);
    requireOneOf(
        config,
        kind,
        file,
        isFairseq
            ? Set.of(TokenizerClass.XLM_ROBERTA, TokenizerClass.MBART, TokenizerClass.MBART50)
            : isDeberta
                ? Set.of(TokenizerClass.DEBERTA_V2)
                : Set.of(
                    TokenizerClass.T5,
                    TokenizerClass.LLAMA,
                    TokenizerClass.GEMMA,
                    TokenizerClass.BACKEND));
    SentencePieceTokenizerJson builder = new SentencePieceTokenizerJson(file);
    ConfigJson full = kind.withDefaults(builder.withDefaults(config, kind));
    return new TokenizerFiles(builder.build(full, kind), full, kind);
  }

  private static void requireOneOf(
      ConfigJson config, TokenizerClass kind, Path file, Set<TokenizerClass> known) {
    boolean isUnknown =
        config.has("tokenizer_class")
            && TokenizerClass.of(config, ConfigJson.empty(config.source())).isEmpty();
    if (isUnknown || !known.contains(kind)) {
      throw config.invalid(
          "tokenizer_class",
          file.getFileName()
              + " can be read for "
              + known.stream().map(TokenizerClass::pythonName).sorted().toList()
              + " only. Save a tokenizer.json with Python:"
              + " AutoTokenizer.from_pretrained(folder).save_pretrained(folder).");
    }
  }

  private static ConfigJson modelConfig(Path folder) {
    Path file = folder.resolve("config.json");
    return Files.exists(file) ? ConfigJson.read(file) : ConfigJson.empty(file);
  }

  /** Keys of special_tokens_map.json win over the config, as in Python. */
  private static ConfigJson config(Path folder) {
    Path file = folder.resolve(CONFIG);
    ConfigJson config = Files.exists(file) ? ConfigJson.read(file) : ConfigJson.empty(file);
    if (config.has(SpecialTokens.DECODER)) {
      return config;
    }
    Path special = folder.resolve(SPECIAL_TOKENS);
    if (Files.exists(special)) {
      ConfigJson map = ConfigJson.read(special);
      for (String key : map.keys()) {
        if (map.has(key)) {
          config = config.with(key, map.node(key).orElseThrow());
        }
      }
    }
    Path added = folder.resolve(ADDED_TOKENS);
    return Files.exists(added) ? withAddedTokens(config, ConfigJson.read(added)) : config;
  }

  /** The tokens of added_tokens.json, {text: id}, in the form of added_tokens_decoder. */
  private static ConfigJson withAddedTokens(ConfigJson config, ConfigJson added) {
    SpecialTokens special = SpecialTokens.of(config);
    Set<String> texts = new HashSet<>();
    special.named().values().forEach(token -> texts.add(token.content()));
    special.extra().forEach(token -> texts.add(token.content()));
    Map<Integer, AddedToken> byId = new TreeMap<>();
    for (String text : added.keys()) {
      if (text.isEmpty()) {
        continue;
      }
      byId.put(
          added.getInt(text),
          texts.contains(text) ? AddedToken.special(text) : AddedToken.of(text));
    }
    Map<String, ObjectNode> decoder = new LinkedHashMap<>();
    byId.forEach((id, token) -> decoder.put(id.toString(), token.toJson(id)));
    return config.with(SpecialTokens.DECODER, decoder);
  }
}
