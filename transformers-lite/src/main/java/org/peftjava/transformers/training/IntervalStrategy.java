package org.peftjava.transformers.training;

/** When something happens during training. */
public enum IntervalStrategy {
  /** Never. */
  NO,
  /** Every so many optimizer steps. */
  STEPS,
  /** After each pass over the data. */
  EPOCH
}
