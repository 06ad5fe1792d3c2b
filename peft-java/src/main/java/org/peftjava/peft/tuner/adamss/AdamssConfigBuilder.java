package org.peftjava.peft.tuner.adamss;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.NumberedConfigBuilder;

/** Collects the fields of an {@link AdamssConfig}. */
public final class AdamssConfigBuilder extends NumberedConfigBuilder<AdamssConfigBuilder> {
  AdamssConfigBuilder(Map<String, ? extends @Nullable Object> values) {
    super(values);
  }

  @Override
  protected AdamssConfigBuilder self() {
    return this;
  }

  /** Rank of the decomposition of a weight; at most its smaller size; 100. */
  public AdamssConfigBuilder r(int value) {
    return set("r", value);
  }

  /** Number of subspaces, at most the outputs of a layer; 5. */
  public AdamssConfigBuilder numSubspaces(int value) {
    return set("num_subspaces", value);
  }

  /** Rank of the update in a subspace; 1. */
  public AdamssConfigBuilder subspaceRank(int value) {
    return set("subspace_rank", value);
  }

  /** Whether training stops in the least important subspaces; false. */
  public AdamssConfigBuilder useAsa(boolean value) {
    return set("use_asa", value);
  }

  /** Number of subspaces in all layers below which training stops in one; 50. */
  public AdamssConfigBuilder asaTargetSubspaces(int value) {
    return set("asa_target_subspaces", value);
  }

  /** Steps before the first choice; 50. */
  public AdamssConfigBuilder initWarmup(int value) {
    return set("init_warmup", value);
  }

  /** Step of the last choice; 1000. */
  public AdamssConfigBuilder finalWarmup(int value) {
    return set("final_warmup", value);
  }

  /** Steps between choices; 100. */
  public AdamssConfigBuilder maskInterval(int value) {
    return set("mask_interval", value);
  }

  /** How slowly the importance of a weight changes; 0.85. */
  public AdamssConfigBuilder asaImportanceBeta(double value) {
    return set("asa_importance_beta", value);
  }

  /** How slowly the uncertainty of an importance changes; 0.85. */
  public AdamssConfigBuilder asaUncertaintyBeta(double value) {
    return set("asa_uncertainty_beta", value);
  }

  /** How fast the number of subspaces falls at first; 3. */
  public AdamssConfigBuilder asaScheduleExponent(double value) {
    return set("asa_schedule_exponent", value);
  }

  /** Whether the rank in a subspace depends on its singular values; false. */
  public AdamssConfigBuilder useDynamicRank(boolean value) {
    return set("use_dynamic_rank", value);
  }

  /** With a dynamic rank, the least share of the largest eigenvalue that counts; 0.1. */
  public AdamssConfigBuilder svdThreshold(double value) {
    return set("svd_threshold", value);
  }

  /** Seed of the decomposition; 0. */
  public AdamssConfigBuilder randomSeed(int value) {
    return set("random_seed", value);
  }

  /** Whether the adapter starts without effect ("orthogonal" in files, else null); true. */
  public AdamssConfigBuilder initWeights(boolean value) {
    return set("init_weights", value ? "orthogonal" : null);
  }

  /** The config, checked. */
  public AdamssConfig build() {
    return AdamssConfig.of(values());
  }
}
