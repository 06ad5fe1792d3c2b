package org.peftjava.peft.tuner;

import java.util.Locale;

/**
 * How several adapters become one. Those named {@code _SVD} combine the weight changes and
 * decompose the result; the others combine A and B, each for itself.
 *
 * <p>Reference: PEFT {@code LoraModel.add_weighted_adapter}.
 */
public enum CombinationType {
  /** The weighted sum of the weight changes: exact if the rank suffices. */
  SVD,
  /** The weighted sums of A and of B: a rough approximation; all ranks must be equal. */
  LINEAR,
  /** All A and B side by side: exact; the rank is the sum of all ranks. */
  CAT,
  /** Small values removed, then only those that agree in sign are averaged, arXiv:2306.01708. */
  TIES,
  /** {@link #TIES} of the weight changes. */
  TIES_SVD,
  /** As {@link #TIES}, with values removed at random, arXiv:2311.03099. */
  DARE_TIES,
  /** {@link #DARE_TIES} of the weight changes. */
  DARE_TIES_SVD,
  /** Values removed at random, the others enlarged, then summed. */
  DARE_LINEAR,
  /** {@link #DARE_LINEAR} of the weight changes. */
  DARE_LINEAR_SVD,
  /** Small values removed, the others summed. */
  MAGNITUDE_PRUNE,
  /** {@link #MAGNITUDE_PRUNE} of the weight changes. */
  MAGNITUDE_PRUNE_SVD;

  /** Python's name, such as "dare_ties". */
  public String pythonName() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Whether the weight changes are combined and decomposed again. */
  public boolean isSvd() {
    return name().endsWith("SVD");
  }

  /** What is done to the tensors themselves: this without the decomposition. */
  CombinationType ofTensors() {
    return this == SVD ? LINEAR : valueOf(name().replace("_SVD", ""));
  }

  /** Whether values are removed, so that a density is needed. */
  boolean isSparse() {
    return !(this == SVD || this == LINEAR || this == CAT);
  }

  /** Whether values are removed at random. */
  boolean isRandom() {
    return name().startsWith("DARE");
  }
}
