package org.peftjava.transformers.training;

/** In which order an epoch visits the examples: Python's {@code train_sampling_strategy}. */
public enum SamplingStrategy {
  /** A new permutation for each epoch, from the data seed. */
  RANDOM,
  /** As they are. */
  SEQUENTIAL,
  /** Shuffled, but batches hold examples of similar length, so that little is padded. */
  GROUP_BY_LENGTH
}
