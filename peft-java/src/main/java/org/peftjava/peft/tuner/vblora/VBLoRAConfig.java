package org.peftjava.peft.tuner.vblora;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerConfigBuilder;
import org.peftjava.peft.tuner.LayerTunerConfig;

/** The configuration of VB-LoRA. Reference: PEFT {@code tuners/vblora/config.py::VBLoRAConfig}. */
public final class VBLoRAConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("VBLoRAConfig", "VBLORA")
          .layerTargets()
          .integer("r", 4, 1)
          .integer("num_vectors", 256, 1)
          .integer("vector_length", 256, 1)
          .integer("topk", 2, 1)
          .flag("save_only_topk_weights", false)
          .dropout("vblora_dropout", 0)
          .flag("fan_in_fan_out", false)
          .number("init_vector_bank_bound", 0.02)
          .number("init_logits_std", 0.1)
          .bias()
          .rule(VBLoRAConfig::checkTopk)
          .build();

  private VBLoRAConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static VBLoRAConfig of(Map<String, ? extends @Nullable Object> values) {
    return new VBLoRAConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  private static void checkTopk(ConfigFields fields) {
    if (fields.integer("topk") > fields.integer("num_vectors")) {
      throw fields.invalid("topk", "must not be above numVectors " + fields.get("num_vectors"));
    }
  }

  @Override
  public VBLoRAConfig with(String field, @Nullable Object value) {
    return new VBLoRAConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Rank of the update. */
  public int r() {
    return fields().integer("r");
  }

  /** Vectors in the bank. */
  public int numVectors() {
    return fields().integer("num_vectors");
  }

  /** Length of a vector, a divisor of both sizes of a layer. */
  public int vectorLength() {
    return fields().integer("vector_length");
  }

  /** Vectors that are mixed into one. */
  public int topk() {
    return fields().integer("topk");
  }

  /** Whether files hold only the mixtures: much smaller, but training cannot go on from them. */
  public boolean saveOnlyTopkWeights() {
    return fields().flag("save_only_topk_weights");
  }

  /** Probability with which elements of the input are dropped in training. */
  public double vbloraDropout() {
    return fields().number("vblora_dropout");
  }

  /** The bank starts uniform within this bound. */
  public double initVectorBankBound() {
    return fields().number("init_vector_bank_bound");
  }

  /** Standard deviation of the logits at the start. */
  public double initLogitsStd() {
    return fields().number("init_logits_std");
  }

  /** Collects the fields of a {@link VBLoRAConfig}. */
  public static final class Builder extends LayerConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Rank of the update; 4. */
    public Builder r(int value) {
      return set("r", value);
    }

    /** Vectors in the bank; 256. */
    public Builder numVectors(int value) {
      return set("num_vectors", value);
    }

    /** Length of a vector, a divisor of both sizes of a layer; 256. */
    public Builder vectorLength(int value) {
      return set("vector_length", value);
    }

    /** Vectors that are mixed into one; 2. */
    public Builder topk(int value) {
      return set("topk", value);
    }

    /**
     * Whether files hold only the mixtures: much smaller, but training cannot go on from them;
     * false.
     */
    public Builder saveOnlyTopkWeights(boolean value) {
      return set("save_only_topk_weights", value);
    }

    /** Probability of dropping an element of the input in training; 0. */
    public Builder vbloraDropout(double value) {
      return set("vblora_dropout", value);
    }

    /** Whether weights are stored transposed, as in GPT-2; corrected automatically. */
    public Builder fanInFanOut(boolean value) {
      return set("fan_in_fan_out", value);
    }

    /** The bank starts uniform within this bound; 0.02. */
    public Builder initVectorBankBound(double value) {
      return set("init_vector_bank_bound", value);
    }

    /** Standard deviation of the logits at the start; 0.1. */
    public Builder initLogitsStd(double value) {
      return set("init_logits_std", value);
    }

    /** Which biases of the base are trained with the adapter: none, all or vblora_only; none. */
    public Builder bias(String value) {
      return set("bias", value);
    }

    /** The config, checked. */
    public VBLoRAConfig build() {
      return of(values());
    }
  }
}
