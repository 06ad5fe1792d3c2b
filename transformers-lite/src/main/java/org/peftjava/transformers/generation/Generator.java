package org.peftjava.transformers.generation;

import org.peftjava.torch.GradMode;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.tokenizer.TokenBatch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Generation over any {@link DecoderModel}: checks what is asked for, lets the model begin, and
 * searches as the settings say.
 *
 * <p>Reference: transformers' {@code GenerationMixin.generate}.
 */
public final class Generator {
  private static final Logger LOG = LoggerFactory.getLogger(Generator.class);
  private static final int DEFAULT_NEW_TOKENS = 20;

  /** For models that name no limit: longer texts are mistakes in a settings file. */
  private static final int LONGEST = 1 << 20;

  /** Room that a cache begins with; it doubles when it is full. */
  private static final int NEW_TOKENS_AT_ONCE = 1024;

  private final DecoderModel model;
  private final GenerationConfig config;
  private final GenerateOptions options;
  private final TokenDraw draw;

  /** Generation with these settings. */
  public Generator(DecoderModel model, GenerationConfig config, GenerateOptions options) {
    this(model, config, options, TokenDraw.MULTINOMIAL);
  }

  Generator(DecoderModel model, GenerationConfig config, GenerateOptions options, TokenDraw draw) {
    this.model = model;
    this.config = config;
    this.options = options;
    this.draw = draw;
  }

  /**
   * Continues each prompt, or decodes from each row of an encoder's input.
   *
   * @param batch one row per prompt; for a decoder padded on the left
   */
  public GenerateOutput generate(TokenBatch batch) {
    checkSettings();
    checkPrompts(batch.inputIds(), batch.attentionMask());
    if (isAssisted()) {
      checkAssisted(batch.size());
    }
    TokenBatch prompts =
        model.isEncoderDecoder() ? DecoderPrompts.of(config, options, batch.size()) : batch;
    int length = totalLength(prompts.length(), prompts.longest());
    Randomness.State before = config.seed().isPresent() ? Randomness.save() : null;
    try (GradMode off = GradMode.noGrad();
        TensorScope scope = TensorScope.open("generate")) {
      config.seed().ifPresent(Randomness::manualSeed);
      int capacity = Math.min(length, prompts.length() + NEW_TOKENS_AT_ONCE);
      try (DecoderSession session = model.begin(batch, capacity, config.useCache())) {
        return search(session, batch, prompts, length);
      }
    } finally {
      if (before != null) {
        Randomness.restore(before);
      }
    }
  }

  private GenerateOutput search(
      DecoderSession session, TokenBatch batch, TokenBatch prompts, int length) {
    int beams = config.numBeams();
    boolean contrastive = isContrastive();
    int candidates = Math.min(config.topK(), model.vocabSize());
    int copies = contrastive ? candidates : beams > 1 ? beams : config.numReturnSequences();
    TokenSearch search =
        new TokenSearch(
            new DecodingSteps(session, model.device(), prompts, length, copies, config),
            new LogitsProcessorList(config, options, batch.inputIds(), prompts.length(), length),
            new StopConditions(config, options),
            prompts.inputIds(),
            length,
            model.device(),
            draw);
    if (contrastive) {
      return new ContrastiveSearch(search, config, options.streamer(), candidates).run();
    }
    if (isAssisted()) {
      try (CandidateGenerator guesses = guesses(search, batch, prompts)) {
        return new AssistedSearch(search, config, options.streamer(), guesses).run();
      }
    }
    if (config.numBeamGroups() > 1) {
      return new GroupBeamSearch(search, config).run();
    }
    return beams > 1
        ? new BeamSearch(search, config).run()
        : new SampleSearch(search, config, options.streamer()).run();
  }

  private boolean isAssisted() {
    return options.assistantModel() != null || config.promptLookupNumTokens().isPresent();
  }

  private CandidateGenerator guesses(TokenSearch search, TokenBatch batch, TokenBatch prompts) {
    GenerationMixin assistant = options.assistantModel();
    return assistant != null
        ? new AssistantModel(assistant, search, batch, prompts)
        : new PromptLookup(
            search,
            config.promptLookupNumTokens().orElseThrow(),
            config.maxMatchingNgramSize(),
            model.vocabSize(),
            config);
  }

  private void checkAssisted(int rows) {
    if (rows > 1 || config.numBeams() > 1 || config.numReturnSequences() > 1 || isContrastive()) {
      throw new IllegalArgumentException(
          "assistantModel and prompt_lookup_num_tokens guess the tokens of one row of greedy search"
              + " or sampling, but there are "
              + rows
              + " rows, num_beams "
              + config.numBeams()
              + ", num_return_sequences "
              + config.numReturnSequences()
              + " and penalty_alpha "
              + config.penaltyAlpha()
              + ". Generate one row at a time.");
    }
    if (!config.useCache()) {
      throw new IllegalArgumentException(
          "Guesses need a cache, which holds what is right of them. Set use_cache to true.");
    }
    GenerationMixin assistant = options.assistantModel();
    if (assistant != null) {
      AssistantModel.check(assistant.decoderModel(), model);
    }
  }

  private boolean isContrastive() {
    return config.penaltyAlpha() > 0
        && config.topK() > 1
        && config.numBeams() == 1
        && !config.doSample();
  }

  private void checkSettings() {
    if (options.decoderInputIds() != null && !model.isEncoderDecoder()) {
      throw new IllegalArgumentException(
          "decoderInputIds are given, but the model is no encoder-decoder. Pass what is to be"
              + " continued as the batch.");
    }
    GenerationChecks.check(config);
    GenerationChecks.supported(config.json());
    if (config.numBeams() > 1 && options.streamer() != TokenListener.NONE) {
      throw new IllegalArgumentException(
          "Tokens are not known one by one with num_beams "
              + config.numBeams()
              + ": beam search chooses whole continuations. Set num_beams to 1, or use"
              + " StoppingCriteria.cancelledBy to stop it.");
    }
    if (isContrastive() && !config.useCache()) {
      throw new IllegalArgumentException(
          "penalty_alpha is "
              + config.penaltyAlpha()
              + ", but contrastive search needs a cache. Set use_cache to true.");
    }
    if (config.prefillChunkSize().isPresent() && !config.useCache()) {
      throw new IllegalArgumentException(
          "prefill_chunk_size is "
              + config.prefillChunkSize().getAsInt()
              + ", but a prompt in parts needs a cache. Set use_cache to true.");
    }
  }

  private int totalLength(int width, int longestPrompt) {
    int positions = Math.min(model.maxPositions(), LONGEST);
    int room = width + positions - longestPrompt;
    int wanted;
    if (config.maxNewTokens().isPresent()) {
      wanted = Math.addExact(width, config.maxNewTokens().getAsInt());
    } else if (config.maxLength().isPresent()) {
      wanted = config.maxLength().getAsInt();
      if (wanted <= width) {
        throw new IllegalArgumentException(
            "The prompt has "
                + width
                + " tokens, but max_length is "
                + wanted
                + ". Raise max_length, or set max_new_tokens, which does not count the prompt.");
      }
    } else {
      wanted = Math.min(width + DEFAULT_NEW_TOKENS, Math.max(room, width + 1));
    }
    int least = config.minNewTokens() > 0 ? width + config.minNewTokens() : config.minLength();
    if (least > wanted) {
      LOG.warn(
          "min_length or min_new_tokens ask for {} tokens, but generation ends at {}.",
          least,
          wanted);
    }
    if (wanted > room) {
      throw new IllegalArgumentException(
          "A prompt of "
              + longestPrompt
              + " tokens and "
              + (wanted - width)
              + " new ones are "
              + (longestPrompt + wanted - width)
              + " tokens, but the model has positions for "
              + positions
              + ". Shorten the prompt or lower max_new_tokens.");
    }
    return wanted;
  }

  private void checkPrompts(long[][] prompts, long[][] attentionMask) {
    if (prompts.length == 0 || prompts[0].length == 0) {
      throw new IllegalArgumentException(
          "Nothing to continue: the batch is empty. Pass at least one token per row.");
    }
    int width = prompts[0].length;
    boolean rightPadded = false;
    for (int row = 0; row < prompts.length; row++) {
      if (prompts[row].length != width
          || row >= attentionMask.length
          || attentionMask[row].length != width) {
        throw new IllegalArgumentException(
            "Row "
                + row
                + " of the batch does not have "
                + width
                + " ids and as many mask values, like row 0. Pad the rows to one length.");
      }
      rightPadded |= attentionMask[row][width - 1] == 0;
    }
    if (rightPadded && !model.isEncoderDecoder()) {
      LOG.warn(
          "The batch is padded on the right, so the model continues the padding. Encode prompts"
              + " with padding on the left.");
    }
  }
}
