package org.peftjava.transformers.generation;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.tokenizer.TokenIds;
import org.peftjava.transformers.tokenizer.Tokenizer;

/**
 * The arguments of {@code generate} that are objects rather than settings: they have no place in
 * {@code generation_config.json}. Names are Python's.
 *
 * @param logitsProcessor processors that follow those of the settings, before any sampling
 * @param stoppingCriteria criteria beside those of the settings
 * @param prefixAllowedTokensFn which tokens may follow; null for all
 * @param tokenizer the model's, for {@code stop_strings}; stays the caller's
 * @param decoderInputIds what the decoder of an encoder-decoder is to continue, one row a prompt;
 *     its start token is put before them unless it is there. Null for the start token alone
 * @param streamer hears of every token; not with beams
 * @param assistantModel a small model of the same tokenizer that guesses tokens; null for none.
 *     Stays the caller's
 */
public record GenerateOptions(
    List<LogitsProcessor> logitsProcessor,
    List<StoppingCriteria> stoppingCriteria,
    @Nullable PrefixAllowedTokens prefixAllowedTokensFn,
    @Nullable Tokenizer tokenizer,
    @Nullable TokenIds decoderInputIds,
    TokenListener streamer,
    @Nullable GenerationMixin assistantModel) {
  /** Nothing. */
  public static final GenerateOptions NONE = builder().build();

  /** Copies the lists. */
  public GenerateOptions {
    logitsProcessor = List.copyOf(logitsProcessor);
    stoppingCriteria = List.copyOf(stoppingCriteria);
  }

  /** An empty builder. */
  public static Builder builder() {
    return new Builder();
  }

  /** A builder with these values. */
  public Builder toBuilder() {
    Builder builder = new Builder();
    builder.logitsProcessor.addAll(logitsProcessor);
    builder.stoppingCriteria.addAll(stoppingCriteria);
    builder.prefixAllowedTokensFn = prefixAllowedTokensFn;
    builder.tokenizer = tokenizer;
    builder.decoderInputIds = decoderInputIds;
    builder.streamer = streamer;
    builder.assistantModel = assistantModel;
    return builder;
  }

  /** Builds {@link GenerateOptions}. */
  public static final class Builder {
    private final List<LogitsProcessor> logitsProcessor = new ArrayList<>();
    private final List<StoppingCriteria> stoppingCriteria = new ArrayList<>();
    private @Nullable PrefixAllowedTokens prefixAllowedTokensFn;
    private @Nullable Tokenizer tokenizer;
    private @Nullable TokenIds decoderInputIds;
    private TokenListener streamer = TokenListener.NONE;
    private @Nullable GenerationMixin assistantModel;

    private Builder() {}

    /** Adds processors. */
    public Builder logitsProcessor(LogitsProcessor... processors) {
      logitsProcessor.addAll(List.of(processors));
      return this;
    }

    /** Adds criteria. */
    public Builder stoppingCriteria(StoppingCriteria... criteria) {
      stoppingCriteria.addAll(List.of(criteria));
      return this;
    }

    /** Which tokens may follow. */
    public Builder prefixAllowedTokensFn(PrefixAllowedTokens function) {
      prefixAllowedTokensFn = function;
      return this;
    }

    /** The model's tokenizer. */
    public Builder tokenizer(Tokenizer value) {
      tokenizer = value;
      return this;
    }

    /** What the decoder of an encoder-decoder is to continue. */
    public Builder decoderInputIds(long[]... rows) {
      decoderInputIds = new TokenIds(rows);
      return this;
    }

    /** Adds one that hears of every token and may stop the generation. */
    public Builder streamer(TokenListener listener) {
      streamer = streamer == TokenListener.NONE ? listener : streamer.and(listener);
      return this;
    }

    /**
     * A small model that guesses tokens, which the model checks several at once. The text stays the
     * same; how many it guesses is in its own {@code generationConfig()}.
     */
    public Builder assistantModel(GenerationMixin model) {
      assistantModel = model;
      return this;
    }

    /** The options. */
    public GenerateOptions build() {
      return new GenerateOptions(
          logitsProcessor,
          stoppingCriteria,
          prefixAllowedTokensFn,
          tokenizer,
          decoderInputIds,
          streamer,
          assistantModel);
    }
  }
}
