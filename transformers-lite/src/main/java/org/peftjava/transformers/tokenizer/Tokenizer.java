package org.peftjava.transformers.tokenizer;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.function.Consumer;
import org.peftjava.transformers.checkpoint.FileBatch;
import org.peftjava.transformers.checkpoint.TransformersCard;
import org.peftjava.transformers.hub.PushOptions;
import org.peftjava.transformers.hub.PushToHubMixin;

/**
 * Turns text into token ids and back, with the results of Python's {@code AutoTokenizer}.
 *
 * <p>Reads {@code tokenizer.json}, or builds it from {@code vocab.json} and {@code merges.txt},
 * from {@code vocab.txt}, or from a SentencePiece model. The work is done by Hugging Face's own
 * library; nothing is fetched over the network. Safe for use by several threads. Half a surrogate
 * pair in a text counts as U+FFFD.
 */
public final class Tokenizer implements AutoCloseable, SpecialTokenRoles, PushToHubMixin {
  private final Path folder;
  private final NativeTokenizer backend;
  private volatile TokenizerState state;

  private Tokenizer(TokenizerState state, Path folder) {
    this.folder = folder;
    this.state = state;
    try {
      AddedTokenCheck.check(state.json());
      backend = new NativeTokenizer(state.json().toString());
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "The tokenizer in " + folder + " cannot be used: " + e.getMessage() + ".", e);
    }
  }

  /** Loads the tokenizer of a folder. */
  public static Tokenizer open(Path folder, TokenizerOptions options) {
    return new Tokenizer(TokenizerState.of(TokenizerFiles.read(folder), options, folder), folder);
  }

  /** Token ids of texts, padded to the longest; Python's {@code tokenizer(texts, padding=True)}. */
  public TokenBatch encode(String... texts) {
    return encode(List.of(texts), options -> {});
  }

  /** Token ids of texts, padded and cut as the options say. */
  public TokenBatch encode(List<String> texts, Consumer<EncodeOptions.Builder> options) {
    return encode(texts, List.of(), options);
  }

  /** The same for pairs of texts; as many of both. */
  public TokenBatch encode(
      List<String> texts, List<String> textPairs, Consumer<EncodeOptions.Builder> options) {
    return encoder()
        .encode(texts, textPairs, built(options), false)
        .toTokenBatch(modelInputNames());
  }

  /** What the tokenizer makes for its model: also "token_type_ids", if that knows segments. */
  public List<String> modelInputNames() {
    return state.modelInputNames();
  }

  /** One text of vocabulary entries, such as "Ġthe", as decoding joins them. */
  public String convertTokensToString(List<String> tokens) {
    return backend.decode(convertTokensToIds(tokens), false);
  }

  /** Everything the tokenizer says about texts. */
  public BatchEncoding batchEncode(List<String> texts, Consumer<EncodeOptions.Builder> options) {
    return encoder().encode(texts, List.of(), built(options), true);
  }

  /** Everything the tokenizer says about pairs of texts; as many of both. */
  public BatchEncoding batchEncode(
      List<String> texts, List<String> textPairs, Consumer<EncodeOptions.Builder> options) {
    return encoder().encode(texts, textPairs, built(options), true);
  }

  /** Token ids of one text with special tokens, without padding. */
  public long[] encodeIds(String text) {
    return encodeIds(text, options -> {});
  }

  /** Token ids of one text, cut as the options say, never padded. */
  public long[] encodeIds(String text, Consumer<EncodeOptions.Builder> options) {
    return encoder().rows(text, Optional.empty(), built(options), false).get(0).ids();
  }

  /**
   * The pieces of one text without special tokens, such as "Ġthe"; for unknown words and added
   * tokens what stands in the text.
   */
  public List<String> tokenize(String text) {
    return List.of(backend.tokens(text, false));
  }

  /** The text of token ids, with special tokens. */
  public String decode(long[] ids) {
    return decode(ids, false);
  }

  /**
   * The text of token ids. Ids that the vocabulary does not have are left out, as in Python;
   * incomplete characters become U+FFFD.
   */
  public String decode(long[] ids, boolean skipSpecialTokens) {
    return decode(ids, options -> options.skipSpecialTokens(skipSpecialTokens));
  }

  /** The text of token ids, as the options say. */
  public String decode(long[] ids, Consumer<DecodeOptions.Builder> options) {
    DecodeOptions.Builder builder = DecodeOptions.builder();
    options.accept(builder);
    DecodeOptions built = builder.build();
    for (long id : ids) {
      if (id < 0 || id > Integer.MAX_VALUE) {
        throw new IllegalArgumentException(
            "Cannot decode the token id "
                + id
                + "; ids begin at 0. Replace the -100 of labels by the padding token first.");
      }
    }
    String text = backend.decode(ids, built.skipSpecialTokens());
    TokenizerState now = state;
    boolean cleanUp = built.cleanUpTokenizationSpaces().orElse(now.cleansUpByDefault());
    return now.cleansUp(cleanUp) ? SpaceCleanup.clean(text) : text;
  }

  /** The text of each row. */
  public List<String> batchDecode(TokenIds ids, Consumer<DecodeOptions.Builder> options) {
    return Arrays.stream(ids.ids()).map(row -> decode(row, options)).toList();
  }

  /** The text of each row, as the options say. */
  public List<String> batchDecode(long[][] ids, Consumer<DecodeOptions.Builder> options) {
    return batchDecode(new TokenIds(ids), options);
  }

  /** The text of each row, with special tokens. */
  public List<String> batchDecode(TokenIds ids) {
    return batchDecode(ids, options -> {});
  }

  /** The vocabulary's entry for each id, such as "Ġthe"; ids it does not have are an error. */
  public List<String> convertIdsToTokens(long[] ids) {
    return state.vocabulary().tokens(ids);
  }

  /** The id of a vocabulary entry. */
  public OptionalLong convertTokenToId(String token) {
    return state.vocabulary().id(token);
  }

  /** The ids of vocabulary entries; that of the unknown token for what is not an entry. */
  public long[] convertTokensToIds(List<String> tokens) {
    return state.vocabulary().ids(tokens, unkTokenId());
  }

  /** Number of special tokens that are put around one text or a pair. */
  public int numSpecialTokensToAdd(boolean pair) {
    return backend.encode("", pair ? Optional.of("") : Optional.empty(), true, false).count(-1);
  }

  /**
   * Adds tokens to the vocabulary, which are then found in every text. The model needs as many
   * embeddings as {@link #length()} says afterwards.
   *
   * @return how many were not there as they are now
   * @throws IllegalArgumentException if one is looked for in normalized texts, but the tokenizer's
   *     normalizer leaves nothing of it
   */
  public int addTokens(List<AddedToken> tokens) {
    return add(tokens, Map.of());
  }

  /**
   * Gives roles such as "pad_token" to tokens, and adds those that are new.
   *
   * @return how many were not there as special tokens
   */
  public int addSpecialTokens(Map<String, String> tokens) {
    List<AddedToken> added = new ArrayList<>();
    tokens.forEach(
        (role, text) -> {
          if (!SpecialTokens.ROLES.contains(role)) {
            throw new IllegalArgumentException(
                "\"" + role + "\" is not a role; expected one of " + SpecialTokens.ROLES + ".");
          }
          added.add(AddedToken.special(text));
        });
    return add(added, tokens);
  }

  private synchronized int add(List<AddedToken> tokens, Map<String, String> roles) {
    TokenizerState next = state.with(tokens, roles, folder);
    AddedTokenCheck.check(next.json());
    backend.replace(next.json().toString());
    int count = AddedTokenList.add(state.json().deepCopy(), state.vocabulary(), tokens);
    state = next;
    return count;
  }

  /**
   * A chat as text, by the tokenizer's chat template.
   *
   * @param messages maps with "role" and "content", the latter a text or a list of parts
   */
  public String applyChatTemplate(
      List<? extends Map<String, ?>> messages, Consumer<ChatTemplateOptions.Builder> options) {
    ChatTemplateOptions.Builder builder = ChatTemplateOptions.builder();
    options.accept(builder);
    return new ChatTemplates(ChatTemplateFiles.of(state.config()), specialTokensMap())
        .render(messages, builder.build());
  }

  /** Whether there is a chat template. */
  public boolean hasChatTemplate() {
    return !ChatTemplateFiles.of(state.config()).isEmpty();
  }

  /** A chat as token ids; the template writes the special tokens. */
  public long[] encodeChat(
      List<? extends Map<String, ?>> messages, Consumer<ChatTemplateOptions.Builder> options) {
    return encodeIds(applyChatTemplate(messages, options), o -> o.addSpecialTokens(false));
  }

  /** Number of tokens of the model, without tokens that were added later. */
  public int vocabSize() {
    return state.vocabulary().modelSize();
  }

  /** Number of all tokens; Python's {@code len(tokenizer)}. */
  public int length() {
    return state.vocabulary().size();
  }

  /** All tokens and their ids; a copy. */
  public Map<String, Long> getVocab() {
    return state.vocabulary().toMap();
  }

  @Override
  public Optional<String> specialToken(String role) {
    return Optional.of(state.specialTokens().content(role)).filter(text -> !text.isEmpty());
  }

  @Override
  public OptionalLong specialTokenId(String role) {
    TokenizerState now = state;
    return now.vocabulary().id(now.specialTokens().content(role));
  }

  /** The special tokens by their roles, such as "eos_token". */
  public Map<String, String> specialTokensMap() {
    return state.specialTokens().byRole();
  }

  /** The texts of all special tokens, those with roles first. */
  public List<String> allSpecialTokens() {
    return state.specialTokens().texts();
  }

  /** Where short rows are padded unless a call says otherwise. */
  public Side paddingSide() {
    return state.paddingSide();
  }

  /** Where long rows are cut unless a call says otherwise. */
  public Side truncationSide() {
    return state.truncationSide();
  }

  /** The longest row that the model takes, if the tokenizer knows it. */
  public OptionalInt modelMaxLength() {
    return state.modelMaxLength();
  }

  /**
   * Writes {@code tokenizer.json}, {@code tokenizer_config.json} and the chat template, which
   * Python's {@code AutoTokenizer} reads.
   */
  public void savePretrained(Path target) {
    try (FileBatch batch = FileBatch.open(target)) {
      savePretrained(batch);
      batch.commit();
    }
  }

  @Override
  public void saveForHub(Path folder, PushOptions options) {
    TransformersCard.write(folder, options.tags());
    savePretrained(folder);
  }

  @Override
  public String hubName() {
    return "tokenizer";
  }

  /** Adds the files to a batch. */
  public void savePretrained(FileBatch batch) {
    state.save(batch);
  }

  /** Frees the native memory, after calls that run on other threads. */
  @Override
  public void close() {
    backend.close();
  }

  private BatchEncoder encoder() {
    TokenizerState now = state;
    return new BatchEncoder(
        backend, now.modelMaxLength(), now.truncationSide(), now.paddingSide(), padTokenId());
  }

  private static EncodeOptions built(Consumer<EncodeOptions.Builder> options) {
    EncodeOptions.Builder builder = EncodeOptions.builder();
    options.accept(builder);
    return builder.build();
  }
}
