package org.peftjava.transformers.generation;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.NullNode;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.peftjava.transformers.config.ConfigJson;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What generation settings must be, alone and together; Python's {@code validate}. */
final class GenerationChecks {
  private static final Logger LOG = LoggerFactory.getLogger(GenerationConfig.class);
  private static final int MOST_ROWS = 4096; // of one prompt; each has a cache of its own
  private static final Set<String> WARNED = ConcurrentHashMap.newKeySet();
  private static final String FINITE_ABOVE_0 = "a number above 0; 1 changes nothing";

  private static final List<String> SCHEDULES =
      List.of("constant", "heuristic", "heuristic_transient");

  private GenerationChecks() {}

  /** Throws where a value is out of its range or contradicts another. */
  static void check(GenerationConfig config) {
    atLeast1("max_new_tokens", config.maxNewTokens());
    atLeast1("max_length", config.maxLength());
    atLeast1("prefill_chunk_size", config.prefillChunkSize());
    atLeast1("prompt_lookup_num_tokens", config.promptLookupNumTokens());
    atLeast("max_matching_ngram_size", config.maxMatchingNgramSize(), 1);
    atLeast("num_assistant_tokens", config.numAssistantTokens(), 1);
    range("assistant_confidence_threshold", config.assistantConfidenceThreshold(), 1);
    check(
        SCHEDULES.contains(config.numAssistantTokensSchedule()),
        "num_assistant_tokens_schedule",
        config.numAssistantTokensSchedule(),
        "one of " + SCHEDULES);
    atLeast("min_length", config.minLength(), 0);
    atLeast("min_new_tokens", config.minNewTokens(), 0);
    rows("num_beams", config.numBeams());
    rows("num_return_sequences", config.numReturnSequences());
    atLeast("no_repeat_ngram_size", config.noRepeatNgramSize(), 0);
    atLeast("encoder_no_repeat_ngram_size", config.encoderNoRepeatNgramSize(), 0);
    range("penalty_alpha", config.penaltyAlpha(), 1);
    if (config.doSample() || config.penaltyAlpha() > 0) {
      atLeast("top_k", config.topK(), 0);
    }
    if (config.doSample()) {
      sampling(config);
    }
    penalty("repetition_penalty", config.repetitionPenalty());
    penalty("encoder_repetition_penalty", config.encoderRepetitionPenalty());
    double lengthPenalty = config.lengthPenalty();
    check(Double.isFinite(lengthPenalty), "length_penalty", lengthPenalty, "a finite number");
    config.maxTime().ifPresent(value -> check(value > 0, "max_time", value, "seconds, above 0"));
    check(
        config.stopStrings().stream().noneMatch(String::isEmpty),
        "stop_strings",
        config.stopStrings(),
        "texts of at least one character");
    config
        .exponentialDecayLengthPenalty()
        .ifPresent(
            decay ->
                check(
                    decay.factor() > 0 && Double.isFinite(decay.factor()),
                    "exponential_decay_length_penalty",
                    decay,
                    "a factor above 0"));
    config.earlyStopping();
    config.badWordsIds();
    config.sequenceBias();
    tokens("eos_token_id", config.eosTokenIds());
    tokens("suppress_tokens", config.suppressTokens());
    tokens("begin_suppress_tokens", config.beginSuppressTokens());
    tokens("forced_eos_token_id", config.forcedEosTokenIds());
    sequences(config);
    groups(config);
    forced(config);
  }

  /** Only what samples: files turn sampling off and keep a temperature of 0. */
  private static void sampling(GenerationConfig config) {
    double temperature = config.temperature();
    check(
        temperature > 0 && Double.isFinite(temperature),
        "temperature",
        temperature,
        "a number above 0; for the likeliest token set do_sample to false");
    range("top_p", config.topP(), 1);
    share("typical_p", config.typicalP());
    config.topH().ifPresent(value -> share("top_h", value));
    range("min_p", config.minP(), 1);
    range("epsilon_cutoff", config.epsilonCutoff(), 1);
    range("eta_cutoff", config.etaCutoff(), 1);
  }

  private static void sequences(GenerationConfig config) {
    int wanted = config.numReturnSequences();
    int beams = config.numBeams();
    if (beams == 1 && wanted > 1 && !config.doSample()) {
      throw new IllegalArgumentException(
          "num_return_sequences is "
              + wanted
              + ", but without sampling and beams there is one continuation of a prompt. Set"
              + " do_sample to true, or num_beams to at least "
              + wanted
              + ".");
    }
    if (beams > 1 && wanted > beams) {
      throw new IllegalArgumentException(
          "num_return_sequences is "
              + wanted
              + ", but there are only "
              + beams
              + " beams (num_beams). Lower the one or raise the other.");
    }
  }

  private static void groups(GenerationConfig config) {
    int beams = config.numBeams();
    int groups = config.numBeamGroups();
    atLeast("num_beam_groups", groups, 1);
    check(
        groups == 1 || (groups <= beams && beams % groups == 0),
        "num_beam_groups",
        groups,
        "a divisor of num_beams, which is " + beams);
    double diversity = config.diversityPenalty();
    check(
        groups == 1 ? Double.isFinite(diversity) : diversity > 0 && Double.isFinite(diversity),
        "diversity_penalty",
        diversity,
        "a number above 0 where there are groups of beams, which would be equal otherwise");
    check(
        groups == 1 || !config.doSample(),
        "do_sample",
        config.doSample(),
        "false where there are groups of beams (num_beam_groups " + groups + ")");
  }

  private static void forced(GenerationConfig config) {
    List<Long> suppressed = config.suppressTokens();
    List<Long> first = new ArrayList<>();
    config.forcedBosTokenId().ifPresent(first::add);
    for (List<Long> forced : List.of(first, config.forcedEosTokenIds())) {
      if (!forced.isEmpty() && suppressed.containsAll(forced)) {
        throw new IllegalArgumentException(
            "The tokens "
                + forced
                + " are forced (forced_bos_token_id or forced_eos_token_id) and suppressed"
                + " (suppress_tokens), so that none is left. To end no row too early use"
                + " min_new_tokens.");
      }
    }
  }

  /** Throws where a setting asks for what this library cannot do, rather than leaving it out. */
  static void supported(ConfigJson json) {
    for (String key : GenerationSettings.WITHOUT_EFFECT) {
      JsonNode value = json.node(key).orElse(NullNode.instance);
      if (!value.isNull() && !value.asText().equals("false") && WARNED.add(key)) {
        LOG.warn("{} has no effect here. The text does not depend on it.", key);
      }
    }
    GenerationSettings.UNSUPPORTED.forEach(
        (key, neutral) -> {
          JsonNode value = json.node(key).orElse(NullNode.instance);
          String text = value.isNumber() ? Double.toString(value.doubleValue()) : value.asText();
          if (!value.isNull() && !text.equals(neutral)) {
            throw new UnsupportedOperationException(
                key
                    + " is "
                    + value
                    + ", but this kind of generation is not implemented. Remove the setting.");
          }
        });
  }

  /** Logs settings of this call that have no effect. */
  static void warn(GenerationConfig config, Set<String> changed) {
    for (String key : GenerationSettings.SAMPLING) {
      boolean contrastive = key.equals("top_k") && config.penaltyAlpha() > 0;
      if (!config.doSample() && !contrastive && changed.contains(key)) {
        LOG.warn("{} has no effect, because do_sample is false.", key);
      }
    }
    for (String key : List.of("early_stopping", "length_penalty")) {
      if (config.numBeams() == 1 && changed.contains(key)) {
        LOG.warn("{} has no effect, because num_beams is 1.", key);
      }
    }
  }

  private static void atLeast1(String name, OptionalInt value) {
    value.ifPresent(number -> atLeast(name, number, 1));
  }

  private static void atLeast(String name, int value, int least) {
    String expected = least == 0 ? "0 or more" : "at least " + least;
    check(value >= least, name, value, name.equals("top_k") ? "0 (all tokens) or more" : expected);
  }

  private static void rows(String name, int value) {
    check(value >= 1 && value <= MOST_ROWS, name, value, "a number from 1 to " + MOST_ROWS);
  }

  private static void share(String name, double value) {
    check(value > 0 && value <= 1, name, value, "a number above 0 and at most 1");
  }

  private static void range(String name, double value, double most) {
    check(value >= 0 && value <= most, name, value, "a number from 0 to 1");
  }

  private static void penalty(String name, double value) {
    check(value > 0 && Double.isFinite(value), name, value, FINITE_ABOVE_0);
  }

  private static void tokens(String name, List<Long> ids) {
    check(ids.stream().allMatch(id -> id >= 0), name, ids, "token ids, each 0 or more");
  }

  private static void check(boolean holds, String name, Object value, String expected) {
    if (!holds) {
      throw new IllegalArgumentException(name + " is " + value + ". Expected " + expected + ".");
    }
  }
}
