package org.peftjava.transformers.generation;

import java.util.List;
import java.util.Map;

/** The names of the settings of transformers' {@code GenerationConfig}, by what they do here. */
final class GenerationSettings {
  /** Settings of transformers that change the text and are not known here, with what is neutral. */
  static final Map<String, String> UNSUPPORTED =
      Map.of(
          "guidance_scale", "1.0",
          "token_healing", "false",
          "assistant_ensemble_weight", "",
          "watermarking_config", "",
          "dola_layers", "",
          "constraints", "",
          "force_words_ids", "",
          "speculation_type", "",
          "use_mtp", "false");

  /** Settings of transformers that concern its own ways of being fast, or what it returns. */
  static final List<String> WITHOUT_EFFECT =
      List.of(
          "cache_implementation",
          "cache_config",
          "compile_config",
          "low_memory",
          "assistant_early_exit",
          "assistant_lookbehind",
          "target_lookbehind",
          "is_assistant",
          "continuous_batching_config",
          "disable_compile",
          "max_cache_len",
          "output_attentions",
          "output_hidden_states",
          "return_dict_in_generate");

  /** Settings that act, besides those that only draw tokens. */
  static final List<String> ACTING =
      List.of(
          "assistant_confidence_threshold",
          "bad_words_ids",
          "begin_suppress_tokens",
          "bos_token_id",
          "decoder_start_token_id",
          "diversity_penalty",
          "do_sample",
          "early_stopping",
          "encoder_no_repeat_ngram_size",
          "encoder_repetition_penalty",
          "eos_token_id",
          "exponential_decay_length_penalty",
          "forced_bos_token_id",
          "forced_eos_token_id",
          "length_penalty",
          "max_length",
          "max_matching_ngram_size",
          "max_new_tokens",
          "max_time",
          "min_length",
          "min_new_tokens",
          "no_repeat_ngram_size",
          "num_assistant_tokens",
          "num_assistant_tokens_schedule",
          "num_beam_groups",
          "num_beams",
          "num_return_sequences",
          "output_logits",
          "output_scores",
          "pad_token_id",
          "penalty_alpha",
          "prefill_chunk_size",
          "prompt_lookup_num_tokens",
          "remove_invalid_values",
          "renormalize_logits",
          "repetition_penalty",
          "sequence_bias",
          "stop_strings",
          "suppress_tokens",
          "use_cache");

  /** Settings that only draw tokens. */
  static final List<String> SAMPLING =
      List.of(
          "temperature",
          "top_k",
          "top_p",
          "min_p",
          "top_h",
          "typical_p",
          "epsilon_cutoff",
          "eta_cutoff");

  private GenerationSettings() {}

  /** Whether a setting that does nothing here is said to do nothing. */
  static boolean warnsOf(String key) {
    return WITHOUT_EFFECT.contains(key);
  }

  /** Whether this is a setting of transformers' {@code GenerationConfig}. */
  static boolean isSetting(String key) {
    return ACTING.contains(key)
        || SAMPLING.contains(key)
        || UNSUPPORTED.containsKey(key)
        || warnsOf(key);
  }
}
