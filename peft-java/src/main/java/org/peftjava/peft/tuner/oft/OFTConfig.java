package org.peftjava.peft.tuner.oft;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerConfigBuilder;
import org.peftjava.peft.tuner.LayerTunerConfig;

/** The configuration of OFT. Reference: PEFT {@code tuners/oft/config.py::OFTConfig}. */
public final class OFTConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("OFTConfig", "OFT")
          .layerTargets()
          .integer("r", 0, 0)
          .integer("oft_block_size", 32, 0)
          .dropout("module_dropout", 0)
          .flag("fan_in_fan_out", false)
          .bias()
          .flag("init_weights", true)
          .flag("coft", false)
          .number("eps", 6e-5)
          .flag("block_share", false)
          .flag("use_cayley_neumann", true)
          .integer("num_cayley_neumann_terms", 5, 1)
          .rule(OFTConfig::checkBlocks)
          .build();

  private OFTConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static OFTConfig of(Map<String, ? extends @Nullable Object> values) {
    return new OFTConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  private static void checkBlocks(ConfigFields fields) {
    boolean byNumber = fields.integer("r") != 0;
    if (byNumber == (fields.integer("oft_block_size") != 0)) {
      throw fields.invalid(
          "oft_block_size",
          byNumber
              ? "must be 0 if r is set: r times oftBlockSize are the input features"
              : "or r must be set: the size of the blocks or their number");
    }
  }

  @Override
  public OFTConfig with(String field, @Nullable Object value) {
    return new OFTConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** The number of blocks, or 0 if their size is given. */
  public int r() {
    return fields().integer("r");
  }

  /** The features of a block, or 0 if their number is given. */
  public int oftBlockSize() {
    return fields().integer("oft_block_size");
  }

  /** Whether the adapter starts without effect. */
  public boolean initWeights() {
    return fields().flag("init_weights");
  }

  /** Whether rotations are kept small. */
  public boolean coft() {
    return fields().flag("coft");
  }

  /** How small, for coft. */
  public double eps() {
    return fields().number("eps");
  }

  /** Whether all blocks have one rotation. */
  public boolean blockShare() {
    return fields().flag("block_share");
  }

  /** Whether the rotation is approximated by a series. */
  public boolean useCayleyNeumann() {
    return fields().flag("use_cayley_neumann");
  }

  /** Terms of the series. */
  public int numCayleyNeumannTerms() {
    return fields().integer("num_cayley_neumann_terms");
  }

  /** Collects the fields of an {@link OFTConfig}. */
  public static final class Builder extends LayerConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** The number of blocks; set oftBlockSize to 0 with it; 0. */
    public Builder r(int value) {
      return set("r", value);
    }

    /** The features of a block; 32. */
    public Builder oftBlockSize(int value) {
      return set("oft_block_size", value);
    }

    /** Kept in the file; without effect, as in Python; 0. */
    public Builder moduleDropout(double value) {
      return set("module_dropout", value);
    }

    /** Whether weights are stored transposed, as in GPT-2; corrected automatically. */
    public Builder fanInFanOut(boolean value) {
      return set("fan_in_fan_out", value);
    }

    /** Which biases of the base are trained: none, all or oft_only; none. */
    public Builder bias(String value) {
      return set("bias", value);
    }

    /** Whether the adapter starts without effect; true. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /** Whether rotations are kept small: constrained OFT; false. */
    public Builder coft(boolean value) {
      return set("coft", value);
    }

    /** How small, for coft; 6e-5. */
    public Builder eps(double value) {
      return set("eps", value);
    }

    /** Whether all blocks have one rotation; false. */
    public Builder blockShare(boolean value) {
      return set("block_share", value);
    }

    /** Whether the rotation is approximated by a series; true. */
    public Builder useCayleyNeumann(boolean value) {
      return set("use_cayley_neumann", value);
    }

    /** Terms of the series; 5. */
    public Builder numCayleyNeumannTerms(int value) {
      return set("num_cayley_neumann_terms", value);
    }

    /** The config, checked. */
    public OFTConfig build() {
      return of(values());
    }
  }
}
