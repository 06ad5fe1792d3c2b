package org.peftjava.transformers.tokenizer;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.function.Consumer;
import org.peftjava.transformers.checkpoint.FileBatch;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PythonJson;

/**
 * Turns text into token ids and back, with the results of Python's {@code AutoTokenizer}.
 *
 * <p>Reads {@code tokenizer.json}, or {@code vocab.json} and {@code merges.txt} of a byte-level
 * BPE. The work is done by Hugging Face's own library; nothing is fetched over the network. Safe
 * for use by several threads. Half a surrogate pair in a text counts as U+FFFD.
 */
public final class Tokenizer implements AutoCloseable {
  private static final long PYTHONS_NO_LIMIT = 1L << 30;

  private final TokenizerFiles files;
  private final ConfigJson config;
  private final Vocabulary vocabulary;
  private final SpecialTokens specialTokens;
  private final NativeTokenizer backend;

  private Tokenizer(TokenizerFiles files, ConfigJson config, Path folder) {
    this.files = files;
    this.config = config;
    vocabulary = Vocabulary.of(files.tokenizerJson(), folder);
    specialTokens = SpecialTokens.of(config);
    side("padding_side");
    side("truncation_side");
    try {
      backend = new NativeTokenizer(files.tokenizerJson().toString());
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "The tokenizer in " + folder + " cannot be used: " + e.getMessage() + ".", e);
    }
  }

  /** Loads the tokenizer of a folder. */
  public static Tokenizer open(Path folder, TokenizerOptions options) {
    TokenizerFiles files = TokenizerFiles.read(folder);
    ConfigJson config = files.config();
    if (options.padToken().isPresent()) {
      String token = options.padToken().get();
      if (Vocabulary.of(files.tokenizerJson(), folder).id(token).isEmpty()) {
        throw new IllegalArgumentException(
            "The padding token \""
                + token
                + "\" is not in the vocabulary of "
                + folder
                + ". Choose one that is, such as the end token.");
      }
      config = config.with("pad_token", token);
    }
    if (options.paddingSide().isPresent()) {
      config = config.with("padding_side", options.paddingSide().get().pythonName());
    }
    if (options.truncationSide().isPresent()) {
      config = config.with("truncation_side", options.truncationSide().get().pythonName());
    }
    if (options.modelMaxLength().isPresent()) {
      config = config.with("model_max_length", options.modelMaxLength().getAsInt());
    }
    return new Tokenizer(files, config, folder);
  }

  /** Token ids of texts, padded to the longest; Python's {@code tokenizer(texts, padding=True)}. */
  public TokenBatch encode(String... texts) {
    return encode(List.of(texts), options -> {});
  }

  /** Token ids of texts, padded and cut as the options say. */
  public TokenBatch encode(List<String> texts, Consumer<EncodeOptions.Builder> options) {
    EncodeOptions built = built(options);
    List<long[]> rows = new ArrayList<>(texts.size());
    for (String text : texts) {
      rows.add(row(text, built));
    }
    return Rows.pad(
        rows,
        built.padding() == EncodeOptions.Padding.MAX_LENGTH ? paddedLength(built) : 0,
        built.padToMultipleOf().orElse(1),
        built.paddingSide().orElse(paddingSide()),
        padTokenId());
  }

  /** Token ids of one text with special tokens, without padding. */
  public long[] encodeIds(String text) {
    return row(text, EncodeOptions.builder().build());
  }

  /** Token ids of one text, cut as the options say, never padded. */
  public long[] encodeIds(String text, Consumer<EncodeOptions.Builder> options) {
    return row(text, built(options));
  }

  /**
   * The text of token ids. Ids that the vocabulary does not have are left out, as in Python;
   * incomplete characters become U+FFFD.
   */
  public String decode(long[] ids, boolean skipSpecialTokens) {
    for (long id : ids) {
      if (id < 0 || id > Integer.MAX_VALUE) {
        throw new IllegalArgumentException(
            "Cannot decode the token id "
                + id
                + "; ids begin at 0. Replace the -100 of labels by the padding token first.");
      }
    }
    return backend.decode(ids, skipSpecialTokens);
  }

  /** The text of each row. */
  public List<String> batchDecode(TokenIds ids, Consumer<DecodeOptions.Builder> options) {
    DecodeOptions.Builder builder = DecodeOptions.builder();
    options.accept(builder);
    boolean skip = builder.build().skipSpecialTokens();
    return Arrays.stream(ids.ids()).map(row -> decode(row, skip)).toList();
  }

  /** The text of each row, with special tokens. */
  public List<String> batchDecode(TokenIds ids) {
    return batchDecode(ids, options -> {});
  }

  /** The vocabulary's entry for each id, such as "Ġthe"; ids it does not have are an error. */
  public List<String> convertIdsToTokens(long[] ids) {
    return Arrays.stream(ids)
        .mapToObj(
            id ->
                vocabulary
                    .token(id)
                    .orElseThrow(
                        () ->
                            new IllegalArgumentException(
                                "The vocabulary has no token with the id "
                                    + id
                                    + "; it has "
                                    + length()
                                    + " tokens.")))
        .toList();
  }

  /** The id of a vocabulary entry. */
  public OptionalLong convertTokenToId(String token) {
    return vocabulary.id(token);
  }

  /** Number of tokens of the model, without tokens that were added later. */
  public int vocabSize() {
    return vocabulary.modelSize();
  }

  /** Number of all tokens; Python's {@code len(tokenizer)}. */
  public int length() {
    return vocabulary.size();
  }

  /** The token that fills short rows. */
  public OptionalLong padTokenId() {
    return id("pad_token");
  }

  /** The token that ends a text. */
  public OptionalLong eosTokenId() {
    return id("eos_token");
  }

  /** The token that begins a text. */
  public OptionalLong bosTokenId() {
    return id("bos_token");
  }

  /** The token for what the vocabulary does not have. */
  public OptionalLong unkTokenId() {
    return id("unk_token");
  }

  /** The text of a special token by its role, such as "eos_token". */
  public Optional<String> specialToken(String role) {
    return Optional.ofNullable(specialTokens.named().get(role)).map(SpecialTokens.Entry::content);
  }

  /** Where short rows are padded unless a call says otherwise. */
  public Side paddingSide() {
    return side("padding_side");
  }

  /** Where long rows are cut unless a call says otherwise. */
  public Side truncationSide() {
    return side("truncation_side");
  }

  /** The longest row that the model takes, if the tokenizer knows it. */
  public OptionalInt modelMaxLength() {
    return config
        .node("model_max_length")
        .filter(node -> node.isNumber() && node.doubleValue() < PYTHONS_NO_LIMIT)
        .map(node -> OptionalInt.of(node.intValue()))
        .orElse(OptionalInt.empty());
  }

  /**
   * Writes {@code tokenizer.json} and {@code tokenizer_config.json}, which Python's {@code
   * AutoTokenizer} reads.
   */
  public void savePretrained(Path folder) {
    try (FileBatch batch = FileBatch.open(folder)) {
      savePretrained(batch);
      batch.commit();
    }
  }

  /** Adds the two files to a batch. */
  public void savePretrained(FileBatch batch) {
    String json = PythonJson.write(files.tokenizerJson(), false);
    batch.write(TokenizerFiles.TOKENIZER, json.getBytes(StandardCharsets.UTF_8));
    batch.write(TokenizerFiles.CONFIG, SpecialTokens.plain(config).toBytes());
    batch.delete(TokenizerFiles.SPECIAL_TOKENS); // would overrule the config
  }

  /** Frees the native memory, after calls that run on other threads. */
  @Override
  public void close() {
    backend.close();
  }

  private long[] row(String text, EncodeOptions options) {
    NativeTokenizer.Encoded encoded = backend.encode(text, options.addSpecialTokens());
    OptionalInt limit = options.maxLength().isPresent() ? options.maxLength() : modelMaxLength();
    return options.truncation() && limit.isPresent()
        ? Rows.truncate(
            encoded, limit.getAsInt(), options.truncationSide().orElse(truncationSide()))
        : encoded.ids();
  }

  private int paddedLength(EncodeOptions options) {
    return options.maxLength().isPresent()
        ? options.maxLength().getAsInt()
        : modelMaxLength()
            .orElseThrow(
                () ->
                    new IllegalArgumentException(
                        "Padding to MAX_LENGTH needs a length, and the tokenizer names none."
                            + " Set maxLength."));
  }

  private static EncodeOptions built(Consumer<EncodeOptions.Builder> options) {
    EncodeOptions.Builder builder = EncodeOptions.builder();
    options.accept(builder);
    return builder.build();
  }

  private OptionalLong id(String role) {
    SpecialTokens.Entry entry = specialTokens.named().get(role);
    return entry == null ? OptionalLong.empty() : vocabulary.id(entry.content());
  }

  private Side side(String key) {
    String name = config.getString(key, "right");
    return switch (name.toLowerCase(Locale.ROOT)) {
      case "left" -> Side.LEFT;
      case "right" -> Side.RIGHT;
      default -> throw config.invalid(key, "expected \"left\" or \"right\".");
    };
  }
}
