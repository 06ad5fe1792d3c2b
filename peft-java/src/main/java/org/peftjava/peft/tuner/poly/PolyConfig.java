package org.peftjava.peft.tuner.poly;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;
import org.peftjava.peft.tuner.ModuleConfigBuilder;

/**
 * The configuration of Poly (Polytropon) and of multi-head routing, immutable.
 *
 * <p>Papers: arXiv:2202.13914, arXiv:2211.03831. Reference: PEFT {@code tuners/poly/config.py}.
 */
public final class PolyConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("PolyConfig", "POLY")
          .moduleTargets()
          .integer("r", 8, 1)
          .flag("init_weights", true)
          .oneOf("poly_type", "poly", "poly")
          .integer("n_tasks", 1, 1)
          .integer("n_skills", 4, 1)
          .integer("n_splits", 1, 1)
          .build();

  private PolyConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static PolyConfig of(Map<String, ? extends @Nullable Object> values) {
    return new PolyConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  @Override
  public PolyConfig with(String field, @Nullable Object value) {
    return new PolyConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Rank of each skill. */
  public int r() {
    return fields().integer("r");
  }

  /** Whether a fresh adapter changes nothing. */
  public boolean initWeights() {
    return fields().flag("init_weights");
  }

  /** The kind of routing: "poly". */
  public String polyType() {
    return fields().text("poly_type").orElseThrow();
  }

  /** Number of tasks. */
  public int nTasks() {
    return fields().integer("n_tasks");
  }

  /** Number of skills that tasks mix. */
  public int nSkills() {
    return fields().integer("n_skills");
  }

  /** Number of parts of each layer that are mixed on their own. */
  public int nSplits() {
    return fields().integer("n_splits");
  }

  /** Collects the fields of a {@link PolyConfig}. */
  public static final class Builder extends ModuleConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Rank of each skill; 8. */
    public Builder r(int value) {
      return set("r", value);
    }

    /** Whether a fresh adapter changes nothing; true. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /** The kind of routing; "poly", the only one. */
    public Builder polyType(String value) {
      return set("poly_type", value);
    }

    /** Number of tasks; 1. */
    public Builder nTasks(int value) {
      return set("n_tasks", value);
    }

    /** Number of skills that tasks mix; 4. */
    public Builder nSkills(int value) {
      return set("n_skills", value);
    }

    /**
     * Number of parts of each layer that are mixed on their own: above 1 for multi-head routing; 1.
     */
    public Builder nSplits(int value) {
      return set("n_splits", value);
    }

    /** The config, checked. */
    public PolyConfig build() {
      return of(values());
    }
  }
}
