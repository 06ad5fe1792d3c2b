package org.peftjava.peft.tuner.lora.adalora;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;
import org.peftjava.peft.tuner.lora.LoraConfig;

/**
 * The configuration of AdaLoRA, immutable. It has all fields of LoRA; those that AdaLoRA does not
 * use keep their values. Reference: PEFT {@code tuners/adalora/config.py::AdaLoraConfig}.
 */
public final class AdaLoraConfig extends LayerTunerConfig {
  private static final String PATTERN = "rank_pattern";
  private static final ConfigSchema SCHEMA = schema();

  private AdaLoraConfig(ConfigFields fields) {
    super(fields);
  }

  private static ConfigSchema schema() {
    ConfigSchema.Builder builder = ConfigSchema.of("AdaLoraConfig", "ADALORA");
    LoraConfig.defaults()
        .forEach(
            (name, value) -> {
              if (!name.startsWith("peft_") && !name.equals("inference_mode")) {
                builder.field(name, value);
              }
            });
    return builder
        .layerTargets()
        .integer("target_r", 8, 0)
        .integer("init_r", 12, 1)
        .integer("tinit", 0, 0)
        .integer("tfinal", 0, 0)
        .integer("deltaT", 1, 1)
        .number("beta1", 0.85)
        .number("beta2", 0.85)
        .number("orth_reg_weight", 0.5)
        .optionalInteger("total_step", 1)
        .field(PATTERN, null)
        .integer("r", 8, 1)
        .number("lora_alpha", 8)
        .dropout("lora_dropout", 0)
        .flag("fan_in_fan_out", false)
        .bias()
        .flag("use_dora", false)
        .flag("use_rslora", false)
        .object("loftq_config")
        .field("loftq_config", Map.of())
        .rule(AdaLoraConfig::check)
        .build();
  }

  private static void check(ConfigFields fields) {
    for (String beta : List.of("beta1", "beta2")) {
      if (!(fields.number(beta) > 0 && fields.number(beta) < 1)) {
        throw fields.invalid(beta, "must be between 0 and 1");
      }
    }
    if (!(fields.number("orth_reg_weight") >= 0)) {
      throw fields.invalid("orth_reg_weight", "must be 0 or more");
    }
    if (fields.flag("use_dora")) {
      throw fields.invalid("use_dora", "is not possible with AdaLoRA");
    }
    if (fields.isSet("loftq_config")) {
      throw fields.invalid("loftq_config", "is not possible with AdaLoRA");
    }
    Object init = fields.get("init_lora_weights");
    if (!(init instanceof Boolean || init instanceof String)) {
      throw fields.invalid("init_lora_weights", "must be true or false");
    }
    if (fields.get("total_step") == null) {
      throw fields.invalid(
          "total_step", "must be the number of all training steps, which AdaLoRA plans with");
    }
    long end = (long) fields.integer("total_step") - fields.integer("tfinal");
    if (fields.integer("tinit") >= end) {
      throw fields.invalid(
          "tinit",
          "must be below totalStep - tfinal, which is "
              + end
              + ", so that there are steps in which the rank shrinks");
    }
    pattern(fields);
  }

  private static Map<String, List<Boolean>> pattern(ConfigFields fields) {
    Map<String, List<Boolean>> result = new LinkedHashMap<>();
    fields
        .object(PATTERN)
        .ifPresent(
            values ->
                values.forEach(
                    (name, value) -> {
                      int end = name.lastIndexOf(".lora_E");
                      if (end < 0
                          || !(value instanceof List<?> list)
                          || list.size() != fields.integer("init_r")
                          || !list.stream().allMatch(Boolean.class::isInstance)) {
                        throw fields.invalid(
                            PATTERN, "must have initR times true or false for each <layer>.lora_E");
                      }
                      result.put(
                          name.substring(0, end), list.stream().map(Boolean.class::cast).toList());
                    }));
    return result;
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static AdaLoraConfig of(Map<String, ? extends @Nullable Object> values) {
    return new AdaLoraConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults; {@code totalStep} must be set. */
  public static AdaLoraConfigBuilder builder() {
    return new AdaLoraConfigBuilder(Map.of());
  }

  @Override
  public AdaLoraConfig with(String field, @Nullable Object value) {
    return new AdaLoraConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** The same with which ranks of each layer are kept, by its path; empty for no choice yet. */
  AdaLoraConfig withRanks(Map<String, List<Boolean>> kept) {
    Map<String, List<Boolean>> pattern = new LinkedHashMap<>();
    kept.forEach((path, ranks) -> pattern.put(path + ".lora_E", ranks));
    return with(PATTERN, pattern.isEmpty() ? null : pattern);
  }

  /** Which ranks each layer keeps, by its path; empty before the first choice. */
  public Map<String, List<Boolean>> rankPattern() {
    return pattern(fields());
  }

  /** Rank that is left in the mean of the layers. */
  public int targetR() {
    return fields().integer("target_r");
  }

  /** Rank of each layer at first. */
  public int initR() {
    return fields().integer("init_r");
  }

  /** Steps before ranks are taken away. */
  public int tinit() {
    return fields().integer("tinit");
  }

  /** Steps after the last rank was taken away. */
  public int tfinal() {
    return fields().integer("tfinal");
  }

  /** Steps from one choice to the next. */
  public int deltaT() {
    return fields().integer("deltaT");
  }

  /** Smoothing of the sensitivity. */
  public double beta1() {
    return fields().number("beta1");
  }

  /** Smoothing of its uncertainty. */
  public double beta2() {
    return fields().number("beta2");
  }

  /** What the penalty of vectors that are not orthogonal is multiplied by. */
  public double orthRegWeight() {
    return fields().number("orth_reg_weight");
  }

  /** All steps of the training. */
  public int totalStep() {
    return fields().integer("total_step");
  }

  /** The scaling; 0 for the rank. */
  public double loraAlpha() {
    return fields().number("lora_alpha");
  }

  /** Probability of dropping an element of the adapter's input in training. */
  public double loraDropout() {
    return fields().number("lora_dropout");
  }

  /** Whether the adapter starts without effect. */
  public boolean initLoraWeights() {
    Object value = fields().get("init_lora_weights");
    return value instanceof String name ? !name.isEmpty() : Boolean.TRUE.equals(value);
  }

  /** Names of fields that are set and that AdaLoRA does not use, and cannot ignore. */
  Optional<String> unusable() {
    List<String> set =
        List.of(
                "layer_replication",
                "target_parameters",
                "alora_invocation_tokens",
                "use_qalora",
                "use_bdlora",
                "arrow_config",
                "velora_config",
                "monteclora_config",
                "kasa_config",
                "megatron_config",
                "lora_bias",
                "ensure_weight_tying")
            .stream()
            .filter(fields()::isSet)
            .toList();
    return set.isEmpty() ? Optional.empty() : Optional.of(String.join(", ", set));
  }
}
