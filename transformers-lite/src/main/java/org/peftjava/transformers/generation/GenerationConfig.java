package org.peftjava.transformers.generation;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.peftjava.transformers.config.ConfigJson;

/**
 * The settings of text generation, with the meanings and defaults of transformers' {@code
 * GenerationConfig}.
 *
 * @param maxNewTokens how many tokens to add at most; wins over {@code maxLength}
 * @param maxLength how long prompt and continuation may become together; without either, 20 tokens
 *     are added
 * @param minNewTokens how many tokens to add before an end token is allowed
 * @param doSample draws tokens at random instead of taking the likeliest
 * @param temperature divides the logits before sampling; below 1 favours likely tokens
 * @param topK samples among this many likeliest tokens; 0 for all
 * @param topP samples among the likeliest tokens that together reach this probability; 1 for all
 * @param minP samples among tokens at least this likely relative to the likeliest; 0 for all
 * @param repetitionPenalty makes tokens that occurred already less likely; 1 for no change
 * @param eosTokenIds the tokens that end a row
 * @param padTokenId fills rows that have ended; empty for the first end token
 * @param seed of the sampling; empty for the process's random state
 * @param useCache keeps keys and values instead of recomputing them for each token
 * @param source the settings as they were read, with those that are not listed here
 */
public record GenerationConfig(
    OptionalInt maxNewTokens,
    OptionalInt maxLength,
    int minNewTokens,
    boolean doSample,
    double temperature,
    int topK,
    double topP,
    double minP,
    double repetitionPenalty,
    List<Long> eosTokenIds,
    OptionalLong padTokenId,
    OptionalLong seed,
    boolean useCache,
    ConfigJson source) {

  /** Checks the ranges, whichever way the settings came in. */
  public GenerationConfig {
    eosTokenIds = List.copyOf(eosTokenIds);
    maxNewTokens.ifPresent(value -> check(value > 0, "max_new_tokens", value, "at least 1"));
    maxLength.ifPresent(value -> check(value > 0, "max_length", value, "at least 1"));
    check(minNewTokens >= 0, "min_new_tokens", minNewTokens, "0 or more");
    check(
        temperature > 0 && Double.isFinite(temperature),
        "temperature",
        temperature,
        "a number above 0; for the likeliest token set do_sample to false");
    check(topK >= 0, "top_k", topK, "0 (all tokens) or more");
    check(topP > 0 && topP <= 1, "top_p", topP, "a number above 0 and at most 1");
    check(minP >= 0 && minP <= 1, "min_p", minP, "a number from 0 to 1");
    check(
        repetitionPenalty > 0 && Double.isFinite(repetitionPenalty),
        "repetition_penalty",
        repetitionPenalty,
        "a number above 0; 1 changes nothing");
  }

  /** The defaults of transformers: greedy, 20 new tokens. */
  public static Builder builder() {
    return new Builder();
  }

  /** Reads {@code generation_config.json}; absent settings get the defaults. */
  public static GenerationConfig of(ConfigJson json) {
    return GenerationConfigJson.read(json);
  }

  /** Every setting under its Python name, also those that this library does not use. */
  public ConfigJson json() {
    return GenerationConfigJson.write(this);
  }

  /** A builder with these values. */
  public Builder toBuilder() {
    Builder builder = new Builder();
    builder.maxNewTokens = maxNewTokens;
    builder.maxLength = maxLength;
    builder.minNewTokens = minNewTokens;
    builder.doSample = doSample;
    builder.temperature = temperature;
    builder.topK = topK;
    builder.topP = topP;
    builder.minP = minP;
    builder.repetitionPenalty = repetitionPenalty;
    builder.eosTokenIds = eosTokenIds;
    builder.padTokenId = padTokenId;
    builder.seed = seed;
    builder.useCache = useCache;
    builder.source = source;
    return builder;
  }

  private static void check(boolean holds, String name, Object value, String expected) {
    if (!holds) {
      throw new IllegalArgumentException(name + " is " + value + ". Expected " + expected + ".");
    }
  }

  /** Builds a {@link GenerationConfig}; each method sets the component of its name. */
  public static final class Builder {
    private OptionalInt maxNewTokens = OptionalInt.empty();
    private OptionalInt maxLength = OptionalInt.empty();
    private int minNewTokens;
    private boolean doSample;
    private double temperature = 1;
    private int topK = 50;
    private double topP = 1;
    private double minP;
    private double repetitionPenalty = 1;
    private List<Long> eosTokenIds = List.of();
    private OptionalLong padTokenId = OptionalLong.empty();
    private OptionalLong seed = OptionalLong.empty();
    private boolean useCache = true;
    private ConfigJson source = ConfigJson.empty(Path.of("generation_config.json"));

    private Builder() {}

    /** How many tokens to add at most. */
    public Builder maxNewTokens(int value) {
      maxNewTokens = OptionalInt.of(value);
      return this;
    }

    /** How long prompt and continuation may become together. */
    public Builder maxLength(int value) {
      maxLength = OptionalInt.of(value);
      return this;
    }

    /** How many tokens to add before an end token is allowed. */
    public Builder minNewTokens(int value) {
      minNewTokens = value;
      return this;
    }

    /** Draws tokens at random instead of taking the likeliest. */
    public Builder doSample(boolean value) {
      doSample = value;
      return this;
    }

    /** Divides the logits before sampling. */
    public Builder temperature(double value) {
      temperature = value;
      return this;
    }

    /** Samples among this many likeliest tokens; 0 for all. */
    public Builder topK(int value) {
      topK = value;
      return this;
    }

    /** Samples among the likeliest tokens that together reach this probability. */
    public Builder topP(double value) {
      topP = value;
      return this;
    }

    /** Samples among tokens at least this likely relative to the likeliest. */
    public Builder minP(double value) {
      minP = value;
      return this;
    }

    /** Makes tokens that occurred already less likely. */
    public Builder repetitionPenalty(double value) {
      repetitionPenalty = value;
      return this;
    }

    /** The tokens that end a row; none to generate to the full length. */
    public Builder eosTokenId(long... ids) {
      List<Long> list = new ArrayList<>();
      for (long id : ids) {
        list.add(id);
      }
      eosTokenIds = list;
      return this;
    }

    /** The token that fills rows that have ended. */
    public Builder padTokenId(long id) {
      padTokenId = OptionalLong.of(id);
      return this;
    }

    /** Makes sampling repeatable without touching the process's random state. */
    public Builder seed(long value) {
      seed = OptionalLong.of(value);
      return this;
    }

    /** Whether keys and values are kept. */
    public Builder useCache(boolean value) {
      useCache = value;
      return this;
    }

    /** The settings as they were read. */
    Builder source(ConfigJson value) {
      source = value;
      return this;
    }

    /** The settings, checked. */
    public GenerationConfig build() {
      return new GenerationConfig(
          maxNewTokens,
          maxLength,
          minNewTokens,
          doSample,
          temperature,
          topK,
          topP,
          minP,
          repetitionPenalty,
          eosTokenIds,
          padTokenId,
          seed,
          useCache,
          source);
    }
  }
}
