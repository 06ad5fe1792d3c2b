package org.peftjava.peft.tuner.lora;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;

/**
 * Options of MonteCLoRA: a LoRA whose A is drawn anew in each training step, around what is
 * trained. Reference: PEFT {@code tuners/lora/config.py::MontecloraConfig}.
 */
public final class MontecloraConfig extends LoraSubConfig {
  private static final Map<String, @Nullable Object> DEFAULTS = defaults();

  private MontecloraConfig(ConfigFields fields) {
    super(fields);
    for (String field : new String[] {"num_samples", "buffer_size"}) {
      if (fields.integer(field) < 1) {
        throw fields.invalid(field, "must be 1 or more");
      }
    }
    if (!(dirichletPrior() > 0)) {
      throw fields.invalid("dirichlet_prior", "must be above 0");
    }
    useEntropy();
    sampleScaler();
    klLossWeight();
  }

  private static Map<String, @Nullable Object> defaults() {
    Map<String, @Nullable Object> values = new LinkedHashMap<>();
    values.put("num_samples", 8);
    values.put("use_entropy", false);
    values.put("dirichlet_prior", 0.1);
    values.put("sample_scaler", 1e-4);
    values.put("kl_loss_weight", 1e-5);
    values.put("buffer_size", 150);
    return values;
  }

  /**
   * The options with these values of {@code monteclora_config}; absent ones have Python's defaults.
   */
  public static MontecloraConfig of(Map<String, ? extends @Nullable Object> values) {
    return new MontecloraConfig(ConfigFields.of("MontecloraConfig", DEFAULTS, values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** How many draws are averaged in a step. */
  public int numSamples() {
    return fields().integer("num_samples");
  }

  /** Whether it costs in training if some draws count much more than others. */
  public boolean useEntropy() {
    return fields().flag("use_entropy");
  }

  /** Parameter of the Dirichlet distribution that the draws' shares are pulled to. */
  public double dirichletPrior() {
    return fields().number("dirichlet_prior");
  }

  /** What the draws are multiplied by. */
  public double sampleScaler() {
    return fields().number("sample_scaler");
  }

  /** How much it costs in training to be far from the prior distributions. */
  public double klLossWeight() {
    return fields().number("kl_loss_weight");
  }

  /** How many draws Python makes in advance; without effect here. */
  public int bufferSize() {
    return fields().integer("buffer_size");
  }

  /** Collects options. Each method is the Python field of the same name. */
  public static final class Builder extends LoraSubConfig.Builder<Builder> {
    private Builder() {}

    @Override
    Builder self() {
      return this;
    }

    /** How many draws are averaged in a step; 8. */
    public Builder numSamples(int value) {
      return set("num_samples", value);
    }

    /** Whether it costs in training if some draws count much more than others; false. */
    public Builder useEntropy(boolean value) {
      return set("use_entropy", value);
    }

    /** Parameter of the Dirichlet distribution that the draws' shares are pulled to; 0.1. */
    public Builder dirichletPrior(double value) {
      return set("dirichlet_prior", value);
    }

    /** What the draws are multiplied by; 1e-4. */
    public Builder sampleScaler(double value) {
      return set("sample_scaler", value);
    }

    /** How much it costs in training to be far from the prior distributions; 1e-5. */
    public Builder klLossWeight(double value) {
      return set("kl_loss_weight", value);
    }

    /** How many draws Python makes in advance; without effect here; 150. */
    public Builder bufferSize(int value) {
      return set("buffer_size", value);
    }

    /** The options, checked. */
    public MontecloraConfig build() {
      return of(values());
    }
  }
}
