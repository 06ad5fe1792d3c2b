package org.peftjava.peft.tuner.cpt;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.PromptFields;
import org.peftjava.peft.tuner.PromptLearningConfig;
import org.peftjava.peft.tuner.TaskType;

/**
 * The configuration of context-aware prompt tuning, immutable: the tokens of worked examples, what
 * part of an example each is, how far each may move, and how much each example counts.
 *
 * <p>Types of tokens: 4 i + 1 for what stands around the input of example i, 4 i + 2 for the input,
 * 4 i + 3 for what stands around the answer, 4 i + 4 for the answer; 0 for none of it. Paper:
 * arXiv:2410.17222. Reference: PEFT {@code tuners/cpt/config.py}.
 */
public final class CPTConfig extends PromptLearningConfig {
  static final String PEFT_TYPE = "CPT";
  static final String IDS = "cpt_token_ids";
  static final String MASK = "cpt_mask";
  static final String TYPES = "cpt_tokens_type_mask";

  private static final ConfigSchema SCHEMA =
      schema("CPTConfig", PEFT_TYPE)
          .field(IDS, null)
          .field(MASK, null)
          .field(TYPES, null)
          .oneOf("opt_weighted_loss_type", "none", "none", "decay")
          .number("opt_loss_decay_factor", 1)
          .number("opt_projection_epsilon", 0.1)
          .number("opt_projection_format_epsilon", 0.1)
          .optionalText("tokenizer_name_or_path")
          .rule(CPTConfig::check)
          .build();

  private CPTConfig(ConfigFields fields) {
    super(fields);
  }

  private static void check(ConfigFields fields) {
    List<Long> ids = numbers(fields, IDS);
    for (String name : List.of(MASK, TYPES)) {
      if (fields.get(name) != null && numbers(fields, name).size() != Math.max(1, ids.size())) {
        throw fields.invalid(name, "must be as long as cptTokenIds");
      }
    }
  }

  private static List<Long> numbers(ConfigFields fields, String name) {
    Object value = fields.get(name);
    if (value == null) {
      return List.of();
    }
    if (!(value instanceof List<?> list)
        || list.isEmpty()
        || list.stream().anyMatch(n -> !(n instanceof Number x) || x.longValue() < 0)) {
      throw fields.invalid(name, "must be a list of whole numbers, 0 or more, or null");
    }
    return list.stream().map(n -> ((Number) n).longValue()).toList();
  }

  /** A builder with Python's defaults. */
  public static CPTConfigBuilder builder() {
    return new CPTConfigBuilder(Map.of());
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static CPTConfig of(Map<String, ? extends @Nullable Object> values) {
    return new CPTConfig(SCHEMA.read(values));
  }

  /** A builder that starts from this config. */
  public CPTConfigBuilder toBuilder() {
    return new CPTConfigBuilder(fields().values());
  }

  @Override
  public CPTConfig with(String field, @Nullable Object value) {
    return new CPTConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** One virtual token for each of the tokens; 1 for masks and types that are not given. */
  @Override
  public CPTConfig settled() {
    if (!taskType().equals(Optional.of(TaskType.CAUSAL_LM))) {
      throw fields().invalid("task_type", "must be CAUSAL_LM, the only task of CPT");
    }
    List<Long> ids = fields().get(IDS) == null ? List.of(0L) : cptTokenIds();
    CPTConfig result =
        with(IDS, ids)
            .with(PromptFields.VIRTUAL_TOKENS, ids.size())
            .with(PromptFields.SUBMODULES, 1);
    for (String name : List.of(MASK, TYPES)) {
      if (fields().get(name) == null) {
        result = result.with(name, Collections.nCopies(ids.size(), 1L));
      }
    }
    return result;
  }

  /** The tokens that virtual tokens start as. */
  public List<Long> cptTokenIds() {
    return numbers(fields(), IDS);
  }

  /** 1 for each token; without effect. */
  public List<Long> cptMask() {
    return numbers(fields(), MASK);
  }

  /** What part of which example each token is. */
  public List<Long> cptTokensTypeMask() {
    return numbers(fields(), TYPES);
  }

  /** Whether earlier examples count less: "decay" or "none". */
  public String optWeightedLossType() {
    return fields().text("opt_weighted_loss_type").orElseThrow();
  }

  /** How much less an example counts than the one after it. */
  public double optLossDecayFactor() {
    return fields().number("opt_loss_decay_factor");
  }

  /** How far tokens of inputs may move, for vectors of size 2048. */
  public double optProjectionEpsilon() {
    return fields().number("opt_projection_epsilon");
  }

  /** How far tokens around inputs and answers may move, for vectors of size 2048. */
  public double optProjectionFormatEpsilon() {
    return fields().number("opt_projection_format_epsilon");
  }

  /** The tokenizer that made the tokens; without effect. */
  public Optional<String> tokenizerNameOrPath() {
    return fields().text("tokenizer_name_or_path");
  }
}
