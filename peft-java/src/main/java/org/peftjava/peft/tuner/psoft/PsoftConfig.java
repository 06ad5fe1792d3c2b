package org.peftjava.peft.tuner.psoft;

import java.util.Map;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;

/**
 * The configuration of PSOFT. Paper: "Efficient Orthogonal Fine-Tuning with Principal Subspace
 * Adaptation". Reference: PEFT {@code tuners/psoft/config.py::PsoftConfig}.
 */
public final class PsoftConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("PsoftConfig", "PSOFT")
          .layerTargets()
          .integer("r", 32, 1)
          .number("psoft_alpha", 32)
          .dropout("psoft_dropout", 0)
          .flag("fan_in_fan_out", false)
          .oneOf("ab_svd_init", "psoft_init", "psoft_init", "pissa_init")
          .oneOf("psoft_svd", "full", "full", "lowrank")
          .integer("psoft_svd_lowrank_niter", 10, 0)
          .integer("random_seed", 0, Integer.MIN_VALUE)
          .flag("psoft_orth", true)
          .flag("psoft_mag_b", true)
          .flag("psoft_mag_a", true)
          .flag("use_cayley_neumann", false)
          .integer("num_cayley_neumann_terms", 5, 1)
          .field("cayley_neumann_eps", null)
          .flag("init_weights", true)
          .rule(PsoftConfig::checkNumbers)
          .build();

  private PsoftConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static PsoftConfig of(Map<String, ? extends @Nullable Object> values) {
    return new PsoftConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static PsoftConfigBuilder builder() {
    return new PsoftConfigBuilder(Map.of());
  }

  private static void checkNumbers(ConfigFields fields) {
    if (!(fields.number("psoft_alpha") > 0)) {
      throw fields.invalid("psoft_alpha", "must be above 0");
    }
    if (fields.get("cayley_neumann_eps") != null) {
      double eps = fields.number("cayley_neumann_eps");
      if (!(eps > 0 && eps < 1)) {
        throw fields.invalid("cayley_neumann_eps", "must be between 0 and 1, or null");
      }
    }
  }

  @Override
  public PsoftConfig with(String field, @Nullable Object value) {
    return new PsoftConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Dimension of the subspace. */
  public int r() {
    return fields().integer("r");
  }

  /** Numerator of the scaling alpha/r. */
  public double psoftAlpha() {
    return fields().number("psoft_alpha");
  }

  /** Probability with which elements of the input are dropped in training. */
  public double psoftDropout() {
    return fields().number("psoft_dropout");
  }

  /** Where the singular values go: all to B ("psoft_init"), or half to A ("pissa_init"). */
  public String abSvdInit() {
    return fields().text("ab_svd_init").orElseThrow();
  }

  /** How the weight is decomposed: "full", or "lowrank" from random directions. */
  public String psoftSvd() {
    return fields().text("psoft_svd").orElseThrow();
  }

  /** Iterations of the decomposition "lowrank". */
  public int psoftSvdLowrankNiter() {
    return fields().integer("psoft_svd_lowrank_niter");
  }

  /** Seed of the decomposition "lowrank". */
  public int randomSeed() {
    return fields().integer("random_seed");
  }

  /** Whether the trained matrix is a rotation. */
  public boolean psoftOrth() {
    return fields().flag("psoft_orth");
  }

  /** Whether a vector is trained that scales the matrix' rows. */
  public boolean psoftMagB() {
    return fields().flag("psoft_mag_b");
  }

  /** Whether a vector is trained that scales the matrix' columns. */
  public boolean psoftMagA() {
    return fields().flag("psoft_mag_a");
  }

  /** Whether rotations are computed with a series that is cut off. */
  public boolean useCayleyNeumann() {
    return fields().flag("use_cayley_neumann");
  }

  /** Terms of the series. */
  public int numCayleyNeumannTerms() {
    return fields().integer("num_cayley_neumann_terms");
  }

  /** Bound of the norm of what the series is taken of, if there is one. */
  public OptionalDouble cayleyNeumannEps() {
    return fields().get("cayley_neumann_eps") == null
        ? OptionalDouble.empty()
        : OptionalDouble.of(fields().number("cayley_neumann_eps"));
  }

  /** Whether the adapter starts without effect. */
  public boolean initWeights() {
    return fields().flag("init_weights");
  }
}
