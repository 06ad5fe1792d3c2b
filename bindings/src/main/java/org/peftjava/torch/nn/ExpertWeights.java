package org.peftjava.torch.nn;

/** A module whose parameters hold the weights of several experts, (experts, ., .). */
public interface ExpertWeights {
  /**
   * Whether a parameter is (experts, d, o); else it is (experts, o, d), for d input and o output
   * features.
   */
  boolean isTransposed();
}
