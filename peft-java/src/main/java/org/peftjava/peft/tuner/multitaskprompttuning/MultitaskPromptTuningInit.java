package org.peftjava.peft.tuner.multitaskprompttuning;

/** What virtual tokens and tasks start as. */
public enum MultitaskPromptTuningInit {
  /** The tokens of a text. */
  TEXT,
  /** Normal numbers. */
  RANDOM,
  /** What was learned of several tasks, the mean of which every task starts as. */
  AVERAGE_SOURCE_TASKS,
  /** What was learned of several tasks, one of which every task starts as. */
  EXACT_SOURCE_TASK,
  /** The virtual tokens that were learned of several tasks; the tasks are random. */
  ONLY_SOURCE_SHARED
}
