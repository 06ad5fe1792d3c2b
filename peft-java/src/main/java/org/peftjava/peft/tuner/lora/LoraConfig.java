package org.peftjava.peft.tuner.lora;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.LayerTunerConfig;

/**
 * The configuration of a LoRA adapter, immutable: rank, scaling, and which modules it changes.
 *
 * <p>The 42 fields are those of PEFT 0.21 {@code tuners/lora/config.py::LoraConfig}, under the same
 * names in camelCase here and unchanged in adapter_config.json; {@link LoraConfigBuilder} documents
 * them. Values are checked when a config is made. {@code megatronConfig} is read and written, but a
 * config with it is refused when applied to a model.
 */
public final class LoraConfig extends LayerTunerConfig {
  /** Which biases of the base model are trained with the adapter. */
  public enum Bias {
    /** None. */
    NONE,
    /** All biases of the model. */
    ALL,
    /** Those of the adapted layers. */
    LORA_ONLY;

    /** The name in adapter_config.json. */
    public String toField() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  private LoraConfig(ConfigFields fields) {
    super(LoraConfigRules.check(fields));
  }

  /** A builder with Python's defaults: r 8, alpha 8, the architecture's default modules. */
  public static LoraConfigBuilder builder() {
    return new LoraConfigBuilder(Map.of());
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static LoraConfig of(Map<String, ? extends @Nullable Object> values) {
    return new LoraConfig(ConfigFields.of("LoraConfig", LoraConfigRules.DEFAULTS, values));
  }

  /** The fields of LoRA with their defaults. */
  public static Map<String, @Nullable Object> defaults() {
    return LoraConfigRules.DEFAULTS;
  }

  /** A builder that starts from this config. */
  public LoraConfigBuilder toBuilder() {
    return new LoraConfigBuilder(fields().values());
  }

  @Override
  public LoraConfig with(String field, @Nullable Object value) {
    return new LoraConfig(fields().with(field, value));
  }

  /** Rank of the update. */
  public int r() {
    return fields().integer("r");
  }

  /** Numerator of the scaling. */
  public double loraAlpha() {
    return fields().number("lora_alpha");
  }

  /** Probability with which elements of the adapter's input are dropped in training. */
  public double loraDropout() {
    return fields().number("lora_dropout");
  }

  /** Whether adapted weights are stored transposed. */
  public boolean fanInFanOut() {
    return fields().flag("fan_in_fan_out");
  }

  /** Which biases of the base are trained. */
  public Bias bias() {
    return LoraConfigRules.bias(fields());
  }

  /** Whether the scaling is alpha/sqrt(r) instead of alpha/r. */
  public boolean useRslora() {
    return fields().flag("use_rslora");
  }

  /** How the adapter starts. */
  public LoraInit initLoraWeights() {
    return LoraConfigRules.init(fields());
  }

  /** Whether B has a bias. */
  public boolean loraBias() {
    return fields().flag("lora_bias");
  }

  /** Ranks of modules whose path matches a pattern, first match first. */
  public Map<String, Number> rankPattern() {
    return fields().numbers("rank_pattern");
  }

  /** Alphas of modules whose path matches a pattern, first match first. */
  public Map<String, Number> alphaPattern() {
    return fields().numbers("alpha_pattern");
  }

  /** Whether this is DoRA: magnitude and direction of the weight apart, arXiv:2402.09353. */
  public boolean useDora() {
    return fields().flag("use_dora");
  }

  /** Options of KaSA, if this is one. */
  public Optional<KasaConfig> kasaConfig() {
    return fields().object("kasa_config").map(KasaConfig::of);
  }

  /** Options of VeLoRA, if this is one. */
  public Optional<VeloraConfig> veloraConfig() {
    return fields().object("velora_config").map(VeloraConfig::of);
  }

  /** Options of MonteCLoRA, if this is one. */
  public Optional<MontecloraConfig> montecloraConfig() {
    return fields().object("monteclora_config").map(MontecloraConfig::of);
  }

  /** Options of Arrow, if this is a router. */
  public Optional<ArrowConfig> arrowConfig() {
    return fields().object("arrow_config").map(ArrowConfig::of);
  }

  /** Whether this is QALoRA, arXiv:2309.14717: neighbouring input features have one change. */
  public boolean useQalora() {
    return fields().flag("use_qalora");
  }

  /** How many neighbours these are. */
  public int qaloraGroupSize() {
    return fields().integer("qalora_group_size");
  }

  /** Parameters that are adapted, by full name or its end after a dot. */
  public List<String> targetParameters() {
    return fields().texts("target_parameters").orElse(List.of());
  }

  @Override
  public List<List<Integer>> layerReplication() {
    return LoraConfigRules.ranges(fields());
  }

  @Override
  public List<Long> invocationTokens() {
    return LoraConfigRules.ids(fields(), "alora_invocation_tokens");
  }

  @Override
  public boolean ensureWeightTying() {
    return fields().flag("ensure_weight_tying");
  }
}
