package org.peftjava.transformers.training;

/** When a checkpoint is written. */
public enum SaveStrategy {
  /** Never. */
  NO,
  /** Every so many optimizer steps, and after the last one. */
  STEPS,
  /** After each pass over the data. */
  EPOCH,
  /** After each evaluation that gave a new best metric. */
  BEST
}
