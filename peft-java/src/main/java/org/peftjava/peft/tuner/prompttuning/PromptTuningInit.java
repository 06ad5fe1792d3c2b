package org.peftjava.peft.tuner.prompttuning;

/** What virtual tokens start as. */
public enum PromptTuningInit {
  /** The tokens of a text. */
  TEXT,
  /** Tokens drawn from the vocabulary. */
  SAMPLE_VOCAB,
  /** Normal numbers, which may be far from any token's vector. */
  RANDOM
}
