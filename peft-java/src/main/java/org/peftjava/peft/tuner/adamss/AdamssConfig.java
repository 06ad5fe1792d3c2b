package org.peftjava.peft.tuner.adamss;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;

/** The configuration of AdaMSS. Reference: PEFT {@code tuners/adamss/config.py::AdamssConfig}. */
public final class AdamssConfig extends LayerTunerConfig {
  private static final String INIT = "init_weights";
  private static final String ORTHOGONAL = "orthogonal";
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("AdamssConfig", "ADAMSS")
          .numberedTargets()
          .integer("r", 100, 1)
          .integer("num_subspaces", 5, 1)
          .integer("subspace_rank", 1, 1)
          .flag("use_asa", false)
          .integer("asa_target_subspaces", 50, Integer.MIN_VALUE)
          .integer("init_warmup", 50, Integer.MIN_VALUE)
          .integer("final_warmup", 1000, Integer.MIN_VALUE)
          .integer("mask_interval", 100, Integer.MIN_VALUE)
          .number("asa_importance_beta", 0.85)
          .number("asa_uncertainty_beta", 0.85)
          .number("asa_schedule_exponent", 3)
          .flag("use_dynamic_rank", false)
          .number("svd_threshold", 0.1)
          .integer("random_seed", 0, Integer.MIN_VALUE)
          .field(INIT, ORTHOGONAL)
          .rule(AdamssConfig::checkInit)
          .rule(AdamssConfig::checkSchedule)
          .build();

  private AdamssConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static AdamssConfig of(Map<String, ? extends @Nullable Object> values) {
    Map<String, @Nullable Object> given = new LinkedHashMap<>(values);
    if (Boolean.FALSE.equals(given.get(INIT))) {
      given.put(INIT, null); // as Python keeps it
    }
    return new AdamssConfig(SCHEMA.read(given));
  }

  /** A builder with Python's defaults. */
  public static AdamssConfigBuilder builder() {
    return new AdamssConfigBuilder(Map.of());
  }

  private static void checkInit(ConfigFields fields) {
    Object value = fields.get(INIT);
    if (value != null && !value.equals(ORTHOGONAL)) {
      throw fields.invalid(INIT, "must be \"orthogonal\", false or null");
    }
  }

  private static void checkSchedule(ConfigFields fields) {
    if (!fields.flag("use_asa")) {
      return;
    }
    for (String field : new String[] {"mask_interval", "asa_target_subspaces"}) {
      if (fields.integer(field) < 1) {
        throw fields.invalid(field, "must be 1 or more with useAsa");
      }
    }
    if (fields.integer("init_warmup") >= fields.integer("final_warmup")) {
      throw fields.invalid(
          "init_warmup",
          "must be below finalWarmup " + fields.get("final_warmup") + " with useAsa");
    }
    if (!(fields.number("asa_schedule_exponent") > 0)) {
      throw fields.invalid("asa_schedule_exponent", "must be above 0 with useAsa");
    }
  }

  @Override
  public AdamssConfig with(String field, @Nullable Object value) {
    return new AdamssConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Rank of the decomposition of a weight; at most its smaller size. */
  public int r() {
    return fields().integer("r");
  }

  /** Number of subspaces, at most the outputs of a layer. */
  public int numSubspaces() {
    return fields().integer("num_subspaces");
  }

  /** Rank of the update in a subspace. */
  public int subspaceRank() {
    return fields().integer("subspace_rank");
  }

  /** Whether training stops in the least important subspaces. */
  public boolean useAsa() {
    return fields().flag("use_asa");
  }

  /** Number of subspaces in all layers below which training stops in one. */
  public int asaTargetSubspaces() {
    return fields().integer("asa_target_subspaces");
  }

  /** Steps before the first choice. */
  public int initWarmup() {
    return fields().integer("init_warmup");
  }

  /** Step of the last choice. */
  public int finalWarmup() {
    return fields().integer("final_warmup");
  }

  /** Steps between choices. */
  public int maskInterval() {
    return fields().integer("mask_interval");
  }

  /** How slowly the importance of a weight changes. */
  public double asaImportanceBeta() {
    return fields().number("asa_importance_beta");
  }

  /** How slowly the uncertainty of an importance changes. */
  public double asaUncertaintyBeta() {
    return fields().number("asa_uncertainty_beta");
  }

  /** How fast the number of subspaces falls at first. */
  public double asaScheduleExponent() {
    return fields().number("asa_schedule_exponent");
  }

  /** Whether the rank in a subspace depends on its singular values. */
  public boolean useDynamicRank() {
    return fields().flag("use_dynamic_rank");
  }

  /** With a dynamic rank, the least share of the largest eigenvalue that counts. */
  public double svdThreshold() {
    return fields().number("svd_threshold");
  }

  /** Seed of the decomposition. */
  public int randomSeed() {
    return fields().integer("random_seed");
  }

  /** Whether the adapter starts without effect. */
  public boolean initWeights() {
    return fields().get(INIT) != null;
  }
}
