package org.peftjava.peft.tuner.psoft;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.LayerConfigBuilder;

/** Collects the fields of a {@link PsoftConfig}. */
public final class PsoftConfigBuilder extends LayerConfigBuilder<PsoftConfigBuilder> {
  PsoftConfigBuilder(Map<String, ? extends @Nullable Object> values) {
    super(values);
  }

  @Override
  protected PsoftConfigBuilder self() {
    return this;
  }

  /** Dimension of the subspace, at most the smaller size of each layer; 32. */
  public PsoftConfigBuilder r(int value) {
    return set("r", value);
  }

  /** Numerator of the scaling alpha/r, above 0; 32. */
  public PsoftConfigBuilder psoftAlpha(double value) {
    return set("psoft_alpha", value);
  }

  /** Probability of dropping an element of the input in training; 0. */
  public PsoftConfigBuilder psoftDropout(double value) {
    return set("psoft_dropout", value);
  }

  /** Whether weights are stored transposed, as in GPT-2; corrected automatically. */
  public PsoftConfigBuilder fanInFanOut(boolean value) {
    return set("fan_in_fan_out", value);
  }

  /**
   * Where the singular values go: all to B ("psoft_init"), or half to A ("pissa_init"); psoft_init.
   */
  public PsoftConfigBuilder abSvdInit(String value) {
    return set("ab_svd_init", value);
  }

  /** How the weight is decomposed: "full", or "lowrank" from random directions; full. */
  public PsoftConfigBuilder psoftSvd(String value) {
    return set("psoft_svd", value);
  }

  /** Iterations of the decomposition "lowrank"; 10. */
  public PsoftConfigBuilder psoftSvdLowrankNiter(int value) {
    return set("psoft_svd_lowrank_niter", value);
  }

  /** Seed of the decomposition "lowrank"; 0. */
  public PsoftConfigBuilder randomSeed(int value) {
    return set("random_seed", value);
  }

  /** Whether the trained matrix is a rotation; true. */
  public PsoftConfigBuilder psoftOrth(boolean value) {
    return set("psoft_orth", value);
  }

  /** Whether a vector is trained that scales the matrix' rows; true. */
  public PsoftConfigBuilder psoftMagB(boolean value) {
    return set("psoft_mag_b", value);
  }

  /** Whether a vector is trained that scales the matrix' columns; true. */
  public PsoftConfigBuilder psoftMagA(boolean value) {
    return set("psoft_mag_a", value);
  }

  /** Whether rotations are computed with a series that is cut off; false. */
  public PsoftConfigBuilder useCayleyNeumann(boolean value) {
    return set("use_cayley_neumann", value);
  }

  /** Terms of the series; 5. */
  public PsoftConfigBuilder numCayleyNeumannTerms(int value) {
    return set("num_cayley_neumann_terms", value);
  }

  /** Bound of the norm of what the series is taken of, between 0 and 1; none. */
  public PsoftConfigBuilder cayleyNeumannEps(double value) {
    return set("cayley_neumann_eps", value);
  }

  /** Whether the adapter starts without effect; true. */
  public PsoftConfigBuilder initWeights(boolean value) {
    return set("init_weights", value);
  }

  /** The config, checked. */
  public PsoftConfig build() {
    return PsoftConfig.of(values());
  }
}
