package org.peftjava.transformers.generation;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;

/**
 * The processors that the settings ask for, in transformers' order ({@code _get_logits_processor}):
 * rules about tokens, then the user's own, then the shaping of what is sampled.
 */
final class LogitsProcessorList {
  private final List<LogitsProcessor> processors = new ArrayList<>();
  private final HammingDiversity diversity;

  /**
   * The list.
   *
   * @param encoderIds the encoder's input, or the prompts of a decoder (b, n)
   * @param promptLength of the decoder
   * @param maxLength of prompt and continuation
   */
  LogitsProcessorList(
      GenerationConfig config,
      GenerateOptions options,
      long[][] encoderIds,
      int promptLength,
      int maxLength) {
    diversity = new HammingDiversity(config.diversityPenalty());
    addRepetition(config, encoderIds);
    addWords(config, options, promptLength, encoderIds.length);
    addForced(config, promptLength, maxLength);
    processors.addAll(options.logitsProcessor());
    if (config.doSample()) {
      addWarpers(config, config.numBeams() > 1 ? Math.max(1, config.eosTokenIds().size()) + 1 : 1);
    }
    add(config.renormalizeLogits(), Warpers::renormalize);
  }

  /** The one that tells groups of beams apart; in use where there are groups. */
  HammingDiversity diversity() {
    return diversity;
  }

  boolean isEmpty() {
    return processors.isEmpty();
  }

  /** Passes float32 logits (b, v) through all processors. */
  Tensor apply(InputIds inputIds, Tensor logits) {
    Tensor result = logits.to(DType.FLOAT32);
    for (LogitsProcessor processor : processors) {
      result = processor.logits(inputIds, result);
    }
    return result;
  }

  private void addRepetition(GenerationConfig config, long[][] encoderIds) {
    add(!config.sequenceBias().isEmpty(), () -> BiasProcessors.sequenceBias(config.sequenceBias()));
    add(config.numBeamGroups() > 1, () -> diversity);
    double encoderPenalty = config.encoderRepetitionPenalty();
    add(
        encoderPenalty != 1,
        () -> RepetitionProcessors.encoderRepetitionPenalty(encoderPenalty, encoderIds));
    double penalty = config.repetitionPenalty();
    add(penalty != 1, () -> RepetitionProcessors.repetitionPenalty(penalty));
    int ngram = config.noRepeatNgramSize();
    add(ngram > 0, () -> RepetitionProcessors.noRepeatNgram(ngram));
    int encoderNgram = config.encoderNoRepeatNgramSize();
    add(
        encoderNgram > 0,
        () -> RepetitionProcessors.encoderNoRepeatNgram(encoderNgram, encoderIds));
  }

  private void addWords(
      GenerationConfig config, GenerateOptions options, int promptLength, int prompts) {
    List<Long> eos = config.eosTokenIds();
    add(!config.badWordsIds().isEmpty(), () -> BiasProcessors.badWords(config.badWordsIds(), eos));
    int minNew = config.minNewTokens();
    int minLength = minNew > 0 ? promptLength + minNew : config.minLength();
    add(minLength > 0 && !eos.isEmpty(), () -> LengthProcessors.minLength(minLength, eos));
    PrefixAllowedTokens allowed = options.prefixAllowedTokensFn();
    if (allowed != null) {
      processors.add(BiasProcessors.prefixAllowed(allowed, prompts));
    }
  }

  private void addForced(GenerationConfig config, int promptLength, int maxLength) {
    List<Long> eos = config.eosTokenIds();
    config.forcedBosTokenId().ifPresent(id -> processors.add(LengthProcessors.forcedBos(id)));
    List<Long> forcedEos = config.forcedEosTokenIds();
    add(!forcedEos.isEmpty(), () -> LengthProcessors.forcedEos(forcedEos, maxLength));
    add(config.removeInvalidValues(), Warpers::removeInvalid);
    config
        .exponentialDecayLengthPenalty()
        .filter(decay -> !eos.isEmpty())
        .ifPresent(
            decay -> processors.add(LengthProcessors.exponentialDecay(decay, eos, promptLength)));
    List<Long> suppressed = config.suppressTokens();
    add(!suppressed.isEmpty(), () -> BiasProcessors.suppress(suppressed));
    List<Long> atBegin = config.beginSuppressTokens();
    boolean forcesFirst = promptLength == 1 && config.forcedBosTokenId().isPresent();
    int begin = forcesFirst ? promptLength + 1 : promptLength;
    add(!atBegin.isEmpty(), () -> BiasProcessors.suppressAt(atBegin, begin));
  }

  private void addWarpers(GenerationConfig config, int keep) {
    double temperature = config.temperature();
    add(temperature != 1, () -> Warpers.temperature(temperature));
    config.topH().ifPresent(share -> processors.add(Warpers.topH(share)));
    int k = config.topK();
    add(k > 0, () -> Warpers.topK(k, keep));
    double p = config.topP();
    add(p < 1, () -> Warpers.topP(p, keep));
    double minP = config.minP();
    add(minP > 0, () -> Warpers.minP(minP, keep));
    double typical = config.typicalP();
    add(typical < 1, () -> Warpers.typicalP(typical, keep));
    double epsilon = config.epsilonCutoff();
    add(epsilon > 0 && epsilon < 1, () -> Warpers.epsilon(epsilon, keep));
    double eta = config.etaCutoff();
    add(eta > 0 && eta < 1, () -> Warpers.eta(eta, keep));
  }

  private void add(boolean wanted, Supplier<LogitsProcessor> processor) {
    if (wanted) {
      processors.add(processor.get());
    }
  }
}
