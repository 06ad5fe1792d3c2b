package org.peftjava.transformers.generation;

import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.checkpoint.FileBatch;
import org.peftjava.transformers.checkpoint.PretrainedFolder;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.hub.RepoFiles;

/**
 * The settings of text generation, with the names, meanings and defaults of transformers' {@code
 * GenerationConfig}.
 *
 * <p>They are kept as the JSON object of {@code generation_config.json}: a file is written as it
 * was read, also the settings that this library does not use. What is absent has its default.
 *
 * @param json the settings under their Python names
 * @param seed of the sampling; empty for the process's random state. Never written to a file
 */
public record GenerationConfig(ConfigJson json, OptionalLong seed) {
  private static final String FILE_NAME = "generation_config.json";
  private static final RepoFiles FILES = new RepoFiles(List.of(FILE_NAME), List.of());
  private static final String FROM_MODEL = "_from_model_config";

  /** The defaults of transformers: greedy, 20 new tokens. */
  public static Builder builder() {
    return of(ConfigJson.empty(Path.of(FILE_NAME))).toBuilder();
  }

  /**
   * Reads {@code generation_config.json}; absent settings get the defaults. Wrong values fail where
   * text is generated or a builder is built: a model loads whatever its settings are.
   */
  public static GenerationConfig of(ConfigJson json) {
    return new GenerationConfig(json, OptionalLong.empty());
  }

  /**
   * Reads {@code generation_config.json} from a folder or the hub.
   *
   * @throws IllegalArgumentException if there is none
   */
  public static GenerationConfig fromPretrained(String nameOrPath) {
    return of(ConfigJson.read(PretrainedFolder.resolve(nameOrPath, FILES).resolve(FILE_NAME)));
  }

  /** Writes {@code generation_config.json}, without the seed. */
  public void savePretrained(Path folder) {
    try (FileBatch files = FileBatch.open(folder)) {
      files.write(FILE_NAME, json.toBytes());
      files.commit();
    }
  }

  /**
   * The settings among those of a model: files of older versions hold them in {@code config.json}.
   */
  public static GenerationConfig fromModelConfig(ConfigJson modelConfig) {
    ConfigJson json = ConfigJson.empty(Path.of(FILE_NAME));
    for (String key : modelConfig.keys()) {
      if (modelConfig.has(key) && GenerationSettings.isSetting(key)) {
        json = json.with(key, modelConfig.node(key).orElseThrow());
      }
    }
    return of(json.with(FROM_MODEL, true));
  }

  /** A builder with these values. */
  public Builder toBuilder() {
    return new Builder(json, seed);
  }

  /** How many tokens to add at most; wins over {@code maxLength}. */
  public OptionalInt maxNewTokens() {
    return json.has("max_new_tokens")
        ? OptionalInt.of(json.getInt("max_new_tokens"))
        : OptionalInt.empty();
  }

  /** How long prompt and continuation may become together; without either, 20 tokens are added. */
  public OptionalInt maxLength() {
    return json.has("max_length") ? OptionalInt.of(json.getInt("max_length")) : OptionalInt.empty();
  }

  /** How long prompt and continuation become at least. */
  public int minLength() {
    return json.getInt("min_length", 0);
  }

  /** How many tokens to add before an end token is allowed. */
  public int minNewTokens() {
    return json.getInt("min_new_tokens", 0);
  }

  /** After how many seconds to stop. */
  public OptionalDouble maxTime() {
    return json.findDouble("max_time");
  }

  /** Texts that end a row; need a tokenizer in {@link GenerateOptions}. */
  public List<String> stopStrings() {
    return json.getStrings("stop_strings");
  }

  /** Whether tokens are drawn at random instead of taking the likeliest. */
  public boolean doSample() {
    return json.getBoolean("do_sample", false);
  }

  /** How many continuations of a prompt are pursued at once; 1 for no beam search. */
  public int numBeams() {
    return json.getInt("num_beams", 1);
  }

  /** How many continuations of a prompt are returned. */
  public int numReturnSequences() {
    return json.getInt("num_return_sequences", 1);
  }

  /**
   * Into how many groups the beams are divided, which avoid each other's tokens; 1 for no groups.
   */
  public int numBeamGroups() {
    return json.getInt("num_beam_groups", 1);
  }

  /** What is taken off the score of a token for each beam of an earlier group that chose it. */
  public double diversityPenalty() {
    return json.getDouble("diversity_penalty", 0);
  }

  /** How much contrastive search avoids what resembles the text so far; 0 for no such search. */
  public double penaltyAlpha() {
    return json.getDouble("penalty_alpha", 0);
  }

  /**
   * How many tokens to copy from where the text's last tokens occurred before, as guesses that the
   * model checks at once; empty for no guesses.
   */
  public OptionalInt promptLookupNumTokens() {
    return json.has("prompt_lookup_num_tokens")
        ? OptionalInt.of(json.getInt("prompt_lookup_num_tokens"))
        : OptionalInt.empty();
  }

  /** How many last tokens are looked for in the text before, at most. */
  public int maxMatchingNgramSize() {
    return json.getInt("max_matching_ngram_size", 2);
  }

  /** How many tokens this model guesses at once for a larger one. */
  public int numAssistantTokens() {
    return json.getInt("num_assistant_tokens", 20);
  }

  /** "constant", or "heuristic": more guesses after right ones, fewer after wrong ones. */
  public String numAssistantTokensSchedule() {
    return json.getString("num_assistant_tokens_schedule", "constant");
  }

  /** Below which probability of a token this model stops guessing for a larger one; 0 for never. */
  public double assistantConfidenceThreshold() {
    return json.getDouble("assistant_confidence_threshold", 0.4);
  }

  /** The power of the length that divides the score of a beam; above 0 favours long ones. */
  public double lengthPenalty() {
    return json.getDouble("length_penalty", 1);
  }

  /** When beam search ends. */
  public EarlyStopping earlyStopping() {
    return EarlyStopping.of(json);
  }

  /** What divides the logits before sampling; below 1 favours likely tokens. */
  public double temperature() {
    return json.getDouble("temperature", 1);
  }

  /** Among how many of the likeliest tokens to sample; 0 for all. */
  public int topK() {
    return json.getInt("top_k", 50);
  }

  /** Samples among the likeliest tokens that together reach this probability; 1 for all. */
  public double topP() {
    return json.getDouble("top_p", 1);
  }

  /** Samples among tokens at least this likely relative to the likeliest; 0 for all. */
  public double minP() {
    return json.getDouble("min_p", 0);
  }

  /** Samples among the likeliest tokens that hold this share of the entropy. */
  public OptionalDouble topH() {
    return json.findDouble("top_h");
  }

  /**
   * Samples among the tokens of most typical information that reach this probability; 1 for all.
   */
  public double typicalP() {
    return json.getDouble("typical_p", 1);
  }

  /** Samples among tokens at least this likely; 0 for all. */
  public double epsilonCutoff() {
    return json.getDouble("epsilon_cutoff", 0);
  }

  /** Samples among tokens above a limit that the entropy lowers; 0 for all. */
  public double etaCutoff() {
    return json.getDouble("eta_cutoff", 0);
  }

  /** Makes tokens that occurred already less likely; 1 for no change. */
  public double repetitionPenalty() {
    return json.getDouble("repetition_penalty", 1);
  }

  /** Makes tokens of the encoder's input (or the prompt) more likely; 1 for no change. */
  public double encoderRepetitionPenalty() {
    return json.getDouble("encoder_repetition_penalty", 1);
  }

  /** How long a run of tokens may not occur twice; 0 for any. */
  public int noRepeatNgramSize() {
    return json.getInt("no_repeat_ngram_size", 0);
  }

  /** How long a run of tokens of the encoder's input (or the prompt) may not occur again. */
  public int encoderNoRepeatNgramSize() {
    return json.getInt("encoder_no_repeat_ngram_size", 0);
  }

  /** Runs of tokens that may not occur. */
  public List<List<Long>> badWordsIds() {
    return TokenRuns.read(json, "bad_words_ids");
  }

  /** What is added to the logit of a token that completes a run of tokens. */
  public List<SequenceBias> sequenceBias() {
    return SequenceBias.read(json);
  }

  /** Tokens that may not occur. */
  public List<Long> suppressTokens() {
    return json.getLongs("suppress_tokens");
  }

  /** Tokens that may not come first. */
  public List<Long> beginSuppressTokens() {
    return json.getLongs("begin_suppress_tokens");
  }

  /** The token that comes first after the decoder's start token. */
  public OptionalLong forcedBosTokenId() {
    return json.findLong("forced_bos_token_id");
  }

  /** The tokens one of which comes last where the length runs out. */
  public List<Long> forcedEosTokenIds() {
    return json.getLongs("forced_eos_token_id");
  }

  /** Makes end tokens likelier the longer a row gets. */
  public Optional<ExponentialDecay> exponentialDecayLengthPenalty() {
    return ExponentialDecay.read(json);
  }

  /** Whether logits that are NaN or infinite are replaced. */
  public boolean removeInvalidValues() {
    return json.getBoolean("remove_invalid_values", false);
  }

  /** Whether processed logits are made log-probabilities again. */
  public boolean renormalizeLogits() {
    return json.getBoolean("renormalize_logits", false);
  }

  /** The tokens that end a row. */
  public List<Long> eosTokenIds() {
    return json.getLongs("eos_token_id");
  }

  /** What fills rows that have ended; empty for the first end token. */
  public OptionalLong padTokenId() {
    return json.findLong("pad_token_id");
  }

  /** The token that begins a text. */
  public OptionalLong bosTokenId() {
    return json.findLong("bos_token_id");
  }

  /** What the decoder of an encoder-decoder begins with; empty for {@code bosTokenId}. */
  public OptionalLong decoderStartTokenId() {
    return json.findLong("decoder_start_token_id");
  }

  /** Whether keys and values are kept instead of recomputed for each token. */
  public boolean useCache() {
    return json.getBoolean("use_cache", true);
  }

  /** How many tokens of a prompt are computed at once; empty for all. */
  public OptionalInt prefillChunkSize() {
    return json.has("prefill_chunk_size")
        ? OptionalInt.of(json.getInt("prefill_chunk_size"))
        : OptionalInt.empty();
  }

  /** Whether {@link GenerateOutput} holds the processed logits. */
  public boolean outputScores() {
    return json.getBoolean("output_scores", false);
  }

  /** Whether {@link GenerateOutput} holds the logits of the model. */
  public boolean outputLogits() {
    return json.getBoolean("output_logits", false);
  }

  /** Builds a {@link GenerationConfig}; each method sets the setting of its name. */
  public static final class Builder {
    private final Set<String> changed = new HashSet<>();
    private ConfigJson json;
    private OptionalLong seed;

    private Builder(ConfigJson json, OptionalLong seed) {
      this.json = json;
      this.seed = seed;
    }

    /** Takes over all settings that others have, and their seed. */
    Builder update(GenerationConfig others) {
      others.json.keys().stream()
          .filter(key -> !key.startsWith("_") && !key.equals("transformers_version"))
          .forEach(key -> set(key, others.json.node(key).orElse(null)));
      seed = others.seed.isPresent() ? others.seed : seed;
      return this;
    }

    /** How many tokens to add at most; wins over {@code maxLength}. */
    public Builder maxNewTokens(int value) {
      return set("max_new_tokens", value);
    }

    /**
     * How long prompt and continuation may become together; without either, 20 tokens are added.
     */
    public Builder maxLength(int value) {
      return set("max_length", value);
    }

    /** How long prompt and continuation become at least. */
    public Builder minLength(int value) {
      return set("min_length", value);
    }

    /** How many tokens to add before an end token is allowed. */
    public Builder minNewTokens(int value) {
      return set("min_new_tokens", value);
    }

    /** After how many seconds to stop. */
    public Builder maxTime(double value) {
      return set("max_time", value);
    }

    /** Texts that end a row; need a tokenizer in {@link GenerateOptions}. */
    public Builder stopStrings(String... texts) {
      return set("stop_strings", List.of(texts));
    }

    /** Whether tokens are drawn at random instead of taking the likeliest. */
    public Builder doSample(boolean value) {
      return set("do_sample", value);
    }

    /** How many continuations of a prompt are pursued at once; 1 for no beam search. */
    public Builder numBeams(int value) {
      return set("num_beams", value);
    }

    /** How many continuations of a prompt are returned. */
    public Builder numReturnSequences(int value) {
      return set("num_return_sequences", value);
    }

    /**
     * Into how many groups the beams are divided, which avoid each other's tokens; 1 for no groups.
     */
    public Builder numBeamGroups(int value) {
      return set("num_beam_groups", value);
    }

    /** What is taken off the score of a token for each beam of an earlier group that chose it. */
    public Builder diversityPenalty(double value) {
      return set("diversity_penalty", value);
    }

    /** How much contrastive search avoids what resembles the text so far; 0 for no such search. */
    public Builder penaltyAlpha(double value) {
      return set("penalty_alpha", value);
    }

    /** How many tokens to copy from earlier in the text as guesses. */
    public Builder promptLookupNumTokens(int value) {
      return set("prompt_lookup_num_tokens", value);
    }

    /** How many last tokens are looked for in the text before, at most. */
    public Builder maxMatchingNgramSize(int value) {
      return set("max_matching_ngram_size", value);
    }

    /** How many tokens this model guesses at once for a larger one. */
    public Builder numAssistantTokens(int value) {
      return set("num_assistant_tokens", value);
    }

    /** "constant", "heuristic" or "heuristic_transient". */
    public Builder numAssistantTokensSchedule(String value) {
      return set("num_assistant_tokens_schedule", value);
    }

    /** Below which probability of a token this model stops guessing; 0 for never. */
    public Builder assistantConfidenceThreshold(double value) {
      return set("assistant_confidence_threshold", value);
    }

    /** The power of the length that divides the score of a beam; above 0 favours long ones. */
    public Builder lengthPenalty(double value) {
      return set("length_penalty", value);
    }

    /** Whether beam search ends with the first {@code numBeams} ended continuations. */
    public Builder earlyStopping(boolean value) {
      return set("early_stopping", value);
    }

    /** When beam search ends. */
    public Builder earlyStopping(EarlyStopping value) {
      return set("early_stopping", value.json());
    }

    /** What divides the logits before sampling; below 1 favours likely tokens. */
    public Builder temperature(double value) {
      return set("temperature", value);
    }

    /** Among how many of the likeliest tokens to sample; 0 for all. */
    public Builder topK(int value) {
      return set("top_k", value);
    }

    /** Samples among the likeliest tokens that together reach this probability; 1 for all. */
    public Builder topP(double value) {
      return set("top_p", value);
    }

    /** Samples among tokens at least this likely relative to the likeliest; 0 for all. */
    public Builder minP(double value) {
      return set("min_p", value);
    }

    /** Samples among the likeliest tokens that hold this share of the entropy. */
    public Builder topH(double value) {
      return set("top_h", value);
    }

    /**
     * Samples among the tokens of most typical information that reach this probability; 1 for all.
     */
    public Builder typicalP(double value) {
      return set("typical_p", value);
    }

    /** Samples among tokens at least this likely; 0 for all. */
    public Builder epsilonCutoff(double value) {
      return set("epsilon_cutoff", value);
    }

    /** Samples among tokens above a limit that the entropy lowers; 0 for all. */
    public Builder etaCutoff(double value) {
      return set("eta_cutoff", value);
    }

    /** Makes tokens that occurred already less likely; 1 for no change. */
    public Builder repetitionPenalty(double value) {
      return set("repetition_penalty", value);
    }

    /** Makes tokens of the encoder's input (or the prompt) more likely; 1 for no change. */
    public Builder encoderRepetitionPenalty(double value) {
      return set("encoder_repetition_penalty", value);
    }

    /** How long a run of tokens may not occur twice; 0 for any. */
    public Builder noRepeatNgramSize(int value) {
      return set("no_repeat_ngram_size", value);
    }

    /** How long a run of tokens of the encoder's input (or the prompt) may not occur again. */
    public Builder encoderNoRepeatNgramSize(int value) {
      return set("encoder_no_repeat_ngram_size", value);
    }

    /** Runs of tokens that may not occur. */
    public Builder badWordsIds(List<List<Long>> runs) {
      return set("bad_words_ids", runs);
    }

    /** What is added to the logit of a token that completes a run of tokens. */
    public Builder sequenceBias(List<SequenceBias> biases) {
      return set("sequence_bias", biases.stream().map(SequenceBias::json).toList());
    }

    /** Tokens that may not occur. */
    public Builder suppressTokens(long... ids) {
      return set("suppress_tokens", oneOrMany(ids));
    }

    /** Tokens that may not come first. */
    public Builder beginSuppressTokens(long... ids) {
      return set("begin_suppress_tokens", oneOrMany(ids));
    }

    /** The token that comes first after the decoder's start token. */
    public Builder forcedBosTokenId(long id) {
      return set("forced_bos_token_id", id);
    }

    /** The tokens one of which comes last where the length runs out. */
    public Builder forcedEosTokenId(long... ids) {
      return set("forced_eos_token_id", oneOrMany(ids));
    }

    /** Makes end tokens likelier the longer a row gets. */
    public Builder exponentialDecayLengthPenalty(int start, double factor) {
      return set("exponential_decay_length_penalty", List.of(start, factor));
    }

    /** Whether logits that are NaN or infinite are replaced. */
    public Builder removeInvalidValues(boolean value) {
      return set("remove_invalid_values", value);
    }

    /** Whether processed logits are made log-probabilities again. */
    public Builder renormalizeLogits(boolean value) {
      return set("renormalize_logits", value);
    }

    /** The tokens that end a row. */
    public Builder eosTokenId(long... ids) {
      return set("eos_token_id", oneOrMany(ids));
    }

    /** What fills rows that have ended; empty for the first end token. */
    public Builder padTokenId(long id) {
      return set("pad_token_id", id);
    }

    /** The token that begins a text. */
    public Builder bosTokenId(long id) {
      return set("bos_token_id", id);
    }

    /** What the decoder of an encoder-decoder begins with; empty for {@code bosTokenId}. */
    public Builder decoderStartTokenId(long id) {
      return set("decoder_start_token_id", id);
    }

    /** Whether keys and values are kept instead of recomputed for each token. */
    public Builder useCache(boolean value) {
      return set("use_cache", value);
    }

    /** How many tokens of a prompt are computed at once; empty for all. */
    public Builder prefillChunkSize(int value) {
      return set("prefill_chunk_size", value);
    }

    /** Whether {@link GenerateOutput} holds the processed logits. */
    public Builder outputScores(boolean value) {
      return set("output_scores", value);
    }

    /** Whether {@link GenerateOutput} holds the logits of the model. */
    public Builder outputLogits(boolean value) {
      return set("output_logits", value);
    }

    /** Makes sampling repeatable without touching the process's random state. */
    public Builder seed(long value) {
      seed = OptionalLong.of(value);
      return this;
    }

    /** The settings, checked; settings that have no effect together are logged. */
    public GenerationConfig build() {
      GenerationConfig config = new GenerationConfig(json, seed);
      GenerationChecks.check(config);
      GenerationChecks.warn(config, changed);
      return config;
    }

    private Builder set(String key, @Nullable Object value) {
      json = json.with(key, value).without(FROM_MODEL);
      changed.add(key);
      return this;
    }

    private static @Nullable Object oneOrMany(long[] ids) {
      if (ids.length < 2) {
        return ids.length == 0 ? null : ids[0];
      }
      return LongStream.of(ids).boxed().toList();
    }
  }
}
