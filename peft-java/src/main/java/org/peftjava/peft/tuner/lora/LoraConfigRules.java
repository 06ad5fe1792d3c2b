package org.peftjava.peft.tuner.lora;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.TargetFields;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.TokenTargets;
import org.peftjava.peft.tuner.TunerConfig;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Defaults of LoRA's fields and the rules that a config must keep.
 *
 * <p>Reference: PEFT {@code LoraConfig.__post_init__}. Stricter than Python, which finds some of
 * these mistakes only when the adapter is created, or never: the rank, the dropout's range, the
 * names of bias and initialization, and the types of all values are checked at once.
 */
final class LoraConfigRules {
  private static final Logger LOG = LoggerFactory.getLogger(LoraConfig.class);

  static final Map<String, @Nullable Object> DEFAULTS = defaults();

  private static final Set<String> OBJECTS =
      Set.of(
          "auto_mapping",
          "megatron_config",
          "loftq_config",
          "eva_config",
          "corda_config",
          "lora_ga_config",
          "velora_config",
          "monteclora_config",
          "runtime_config",
          "arrow_config",
          "kasa_config");

  private static final Set<String> TEXTS =
      Set.of("base_model_name_or_path", "revision", "peft_version", "megatron_core");

  private static final Set<String> FLAGS =
      Set.of(
          "inference_mode",
          "fan_in_fan_out",
          "use_rslora",
          "use_dora",
          "use_qalora",
          "lora_bias",
          "ensure_weight_tying");

  private static final String RANGES = "must be a list of ranges of layers [first, after the last]";

  private LoraConfigRules() {}

  private static Map<String, @Nullable Object> defaults() {
    Map<String, @Nullable Object> values = new LinkedHashMap<>();
    for (String field :
        List.of("task_type", "auto_mapping", "base_model_name_or_path", "revision")) {
      values.put(field, null);
    }
    values.put("peft_type", "LORA");
    values.put("peft_version", TunerConfig.PEFT_VERSION);
    values.put("inference_mode", false);
    values.put("r", 8);
    values.put("target_modules", null);
    values.put("exclude_modules", null);
    values.put("lora_alpha", 8);
    values.put("lora_dropout", 0.0);
    values.put("fan_in_fan_out", false);
    values.put("bias", "none");
    values.put("use_rslora", false);
    values.put("modules_to_save", null);
    values.put("init_lora_weights", true);
    values.put("layers_to_transform", null);
    values.put("layers_pattern", null);
    values.put("rank_pattern", Map.of());
    values.put("alpha_pattern", Map.of());
    values.put("megatron_config", null);
    values.put("megatron_core", "megatron.core");
    values.put("trainable_token_indices", null);
    values.put("loftq_config", Map.of());
    for (String field : List.of("eva_config", "corda_config", "lora_ga_config")) {
      values.put(field, null);
    }
    values.put("use_dora", false);
    values.put("velora_config", null);
    values.put("alora_invocation_tokens", null);
    values.put("use_qalora", false);
    values.put("qalora_group_size", 16);
    values.put("monteclora_config", null);
    values.put("layer_replication", null);
    values.put("runtime_config", null);
    values.put("lora_bias", false);
    for (String field : List.of("target_parameters", "use_bdlora", "arrow_config", "kasa_config")) {
      values.put(field, null);
    }
    values.put("ensure_weight_tying", false);
    return Collections.unmodifiableMap(values);
  }

  /** Returns the fields if they keep the rules, with unused or missing variant configs settled. */
  static ConfigFields check(ConfigFields fields) {
    checkTypes(fields);
    if (fields.integer("r") <= 0) {
      throw fields.invalid("r", "must be positive");
    }
    fields.checkCounts("rank_pattern");
    double dropout = fields.number("lora_dropout");
    if (!(dropout >= 0 && dropout < 1)) {
      throw fields.invalid("lora_dropout", "must be in [0, 1)");
    }
    TargetFields.check(fields);
    checkVariants(fields);
    return settle(fields);
  }

  private static void checkTypes(ConfigFields fields) {
    if (!fields.text("peft_type").orElse("").equals("LORA")) {
      throw fields.invalid("peft_type", "must be \"LORA\"");
    }
    OBJECTS.forEach(fields::object);
    TEXTS.forEach(fields::text);
    FLAGS.forEach(fields::flag);
    fields.text("task_type").ifPresent(TaskType::parse);
    fields.number("lora_alpha");
    fields.numbers("alpha_pattern");
    fields.integer("qalora_group_size");
    fields.texts("modules_to_save");
    fields.texts("target_parameters");
    ranges(fields);
    ids(fields, "alora_invocation_tokens");
    if (fields.isSet("use_bdlora")) {
      BlockLora.of(fields);
    }
    TokenTargets.ofField(fields, "trainable_token_indices", false);
    bias(fields);
    init(fields);
  }

  private static void checkVariants(ConfigFields fields) {
    LoraInit init = init(fields);
    boolean plain = init instanceof LoraInit.Standard || init instanceof LoraInit.Random;
    if (fields.flag("use_dora") && fields.isSet("megatron_config")) {
      throw fields.invalid("use_dora", "cannot be used with megatronConfig");
    }
    if (fields.flag("lora_bias") && (!plain || fields.flag("use_dora"))) {
      throw fields.invalid(
          "lora_bias", "needs initLoraWeights true or false and cannot be used with DoRA");
    }
    if (fields.flag("use_qalora") && fields.integer("qalora_group_size") < 1) {
      throw fields.invalid("qalora_group_size", "must be 1 or more");
    }
    if (init instanceof LoraInit.Loftq && !fields.isSet("loftq_config")) {
      throw fields.invalid("loftq_config", "must be given when initLoraWeights is \"loftq\"");
    }
  }

  private static ConfigFields settle(ConfigFields fields) {
    LoraInit init = init(fields);
    if (fields.isSet("alora_invocation_tokens")
        && !fields.text("task_type").equals(Optional.of(TaskType.CAUSAL_LM.name()))) {
      LOG.warn("LoraConfig: aloraInvocationTokens work with the task CAUSAL_LM only.");
    }
    ConfigFields result = complete(fields, "kasa_config", KasaConfig::of);
    result = complete(result, "velora_config", VeloraConfig::of);
    result = complete(result, "monteclora_config", MontecloraConfig::of);
    result = complete(result, "arrow_config", ArrowConfig::of);
    if (fields.isSet("loftq_config") && !(init instanceof LoraInit.Loftq)) {
      LOG.warn("LoraConfig: loftqConfig is ignored, because initLoraWeights is not \"loftq\".");
      result = result.with("loftq_config", Map.of());
    }
    result = settle(result, "eva_config", "eva", init instanceof LoraInit.Eva, EvaConfig::of, true);
    result =
        settle(
            result, "corda_config", "corda", init instanceof LoraInit.Corda, CordaConfig::of, true);
    return settle(
        result,
        "lora_ga_config",
        "lora_ga",
        init instanceof LoraInit.LoraGa,
        LoraGAConfig::of,
        false);
  }

  /** The options of a variant, complete and checked. */
  private static ConfigFields complete(
      ConfigFields fields,
      String field,
      Function<Map<String, @Nullable Object>, LoraSubConfig> options) {
    return fields
        .object(field)
        .map(given -> fields.with(field, options.apply(given).values()))
        .orElse(fields);
  }

  /**
   * The options of one way to start, complete; those of another way are kept but have no effect.
   */
  private static ConfigFields settle(
      ConfigFields fields,
      String field,
      String init,
      boolean isInit,
      Function<Map<String, @Nullable Object>, LoraSubConfig> options,
      boolean hasDefault) {
    Optional<Map<String, @Nullable Object>> given = fields.object(field);
    if (given.isEmpty()) {
      if (!isInit || !hasDefault) {
        return fields;
      }
      LOG.warn(
          "LoraConfig: initLoraWeights is \"{}\" without {}; its defaults are used.", init, field);
    } else if (!isInit) {
      LOG.warn("LoraConfig: {} is ignored, because initLoraWeights is not \"{}\".", field, init);
    }
    return fields.with(field, options.apply(given.orElse(Map.of())).values());
  }

  /** Token ids; none for null. */
  static List<Long> ids(ConfigFields fields, String name) {
    List<Long> result = new ArrayList<>();
    Object value = fields.get(name);
    for (Object item : value instanceof List<?> list ? list : List.of()) {
      if (item instanceof Long id && id >= 0) {
        result.add(id);
      }
    }
    if (value != null && !(value instanceof List<?> list && list.size() == result.size())) {
      throw fields.invalid(name, "must be a list of token ids");
    }
    return List.copyOf(result);
  }

  /** The ranges in layer_replication. */
  static List<List<Integer>> ranges(ConfigFields fields) {
    List<List<Integer>> result = new ArrayList<>();
    Object value = fields.get("layer_replication");
    for (Object item : value instanceof List<?> list ? list : List.of()) {
      List<Integer> range = new ArrayList<>();
      for (Object number : item instanceof List<?> pair ? pair : List.of()) {
        if (number instanceof Long layer && layer >= 0 && layer <= Integer.MAX_VALUE) {
          range.add(layer.intValue());
        }
      }
      if (range.size() != 2 || range.get(0) >= range.get(1)) {
        throw fields.invalid("layer_replication", RANGES);
      }
      result.add(List.copyOf(range));
    }
    if (value != null && !(value instanceof List<?>)) {
      throw fields.invalid("layer_replication", RANGES);
    }
    return List.copyOf(result);
  }

  static LoraInit init(ConfigFields fields) {
    Object value = fields.get("init_lora_weights");
    if (value instanceof Boolean standard) {
      return standard ? new LoraInit.Standard() : new LoraInit.Random();
    }
    return (value instanceof String name ? LoraInit.named(name) : Optional.<LoraInit>empty())
        .orElseThrow(
            () ->
                fields.invalid(
                    "init_lora_weights",
                    "must be true, false, gaussian, orthogonal, pissa, pissa_niter_<n>, olora, eva,"
                        + " corda, loftq, lora_ga or mica"));
  }

  static LoraConfig.Bias bias(ConfigFields fields) {
    for (LoraConfig.Bias bias : LoraConfig.Bias.values()) {
      if (bias.toField().equals(fields.get("bias"))) {
        return bias;
      }
    }
    throw fields.invalid("bias", "must be none, all or lora_only");
  }
}
