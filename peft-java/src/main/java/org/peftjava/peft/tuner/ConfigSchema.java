package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The fields of one config class: their names in adapter_config.json, Python's defaults, and the
 * rules that values keep.
 *
 * <p>Made once for a class with {@link #of}; {@link #read} gives checked fields. The fields of
 * every config (PEFT {@code PeftConfig}) are there from the start.
 */
public final class ConfigSchema {
  private final String owner;
  private final Map<String, @Nullable Object> defaults;
  private final List<Consumer<ConfigFields>> rules;

  private ConfigSchema(Builder builder) {
    owner = builder.owner;
    defaults = Collections.unmodifiableMap(new LinkedHashMap<>(builder.defaults));
    rules = List.copyOf(builder.rules);
  }

  /**
   * Begins a schema.
   *
   * @param owner the config's class in Python, such as "IA3Config"
   * @param peftType its {@code peft_type}, such as "IA3"
   */
  public static Builder of(String owner, String peftType) {
    return new Builder(owner, peftType);
  }

  /**
   * The given values over the defaults, checked.
   *
   * @throws IllegalArgumentException if a value breaks a rule; it names field, value and rule
   */
  public ConfigFields read(Map<String, ? extends @Nullable Object> values) {
    return check(ConfigFields.of(owner, defaults, values));
  }

  /** The fields again after a change, checked. */
  public ConfigFields check(ConfigFields fields) {
    rules.forEach(rule -> rule.accept(fields));
    return fields;
  }

  /** Collects fields and rules. */
  public static final class Builder {
    private final String owner;
    private final Map<String, @Nullable Object> defaults = new LinkedHashMap<>();
    private final List<Consumer<ConfigFields>> rules = new ArrayList<>();

    private Builder(String owner, String peftType) {
      this.owner = owner;
      optionalText("task_type")
          .object("auto_mapping")
          .optionalText("base_model_name_or_path")
          .optionalText("revision")
          .flag("inference_mode", false);
      text("peft_type", peftType).text("peft_version", TunerConfig.PEFT_VERSION);
      rule(
          fields -> {
            if (!peftType.equals(fields.get("peft_type"))) {
              throw fields.invalid("peft_type", "must be \"" + peftType + "\"");
            }
            fields.text("task_type").ifPresent(TaskType::parse);
          });
    }

    /** The fields of which every such config has some: target_modules and modules_to_save. */
    public Builder targets() {
      return field("target_modules", null).texts("modules_to_save").rule(TargetFields::check);
    }

    /** {@link #targets} and exclude_modules. */
    public Builder moduleTargets() {
      return targets().field("exclude_modules", null);
    }

    /** {@link #targets} and the choice of layers by number: layers_to_transform, layers_pattern. */
    public Builder numberedTargets() {
      return targets().field("layers_to_transform", null).field("layers_pattern", null);
    }

    /** All fields that choose layers. */
    public Builder layerTargets() {
      return numberedTargets().field("exclude_modules", null);
    }

    /** Which biases are trained: none, all, or those of adapted layers, such as "oft_only". */
    public Builder bias() {
      return text("bias", "none")
          .rule(
              fields -> {
                String value = fields.text("bias").orElse("");
                if (!value.equals("none") && !value.equals("all") && !value.endsWith("_only")) {
                  throw fields.invalid("bias", "must be none, all or the method's name with _only");
                }
              });
    }

    /** A field of any type; its rules are the caller's. */
    public Builder field(String name, @Nullable Object defaultValue) {
      defaults.put(name, defaultValue);
      return this;
    }

    /** True or false, or null, which is false. */
    public Builder flag(String name, boolean defaultValue) {
      return field(name, defaultValue).rule(fields -> fields.flag(name));
    }

    /** A whole number, {@code min} or more. */
    public Builder integer(String name, int defaultValue, int min) {
      return field(name, defaultValue)
          .rule(
              fields -> {
                if (fields.integer(name) < min) {
                  throw fields.invalid(name, "must be " + min + " or more");
                }
              });
    }

    /** A whole number, {@code min} or more, or null. */
    public Builder optionalInteger(String name, int min) {
      return field(name, null)
          .rule(
              fields -> {
                if (fields.get(name) != null && fields.integer(name) < min) {
                  throw fields.invalid(name, "must be " + min + " or more, or null");
                }
              });
    }

    /** A number. */
    public Builder number(String name, double defaultValue) {
      return field(name, defaultValue).rule(fields -> fields.number(name));
    }

    /** A probability of dropping: in [0, 1). */
    public Builder dropout(String name, double defaultValue) {
      return field(name, defaultValue)
          .rule(
              fields -> {
                double value = fields.number(name);
                if (!(value >= 0 && value < 1)) {
                  throw fields.invalid(name, "must be in [0, 1)");
                }
              });
    }

    /** A text. */
    public Builder text(String name, String defaultValue) {
      return field(name, defaultValue).rule(fields -> fields.text(name));
    }

    /** A text or null. */
    public Builder optionalText(String name) {
      return field(name, null).rule(fields -> fields.text(name));
    }

    /** One of these texts. */
    public Builder oneOf(String name, String defaultValue, String... allowed) {
      List<String> names = Arrays.asList(allowed);
      return field(name, defaultValue)
          .rule(
              fields -> {
                if (!names.contains(fields.text(name).orElse(""))) {
                  throw fields.invalid(name, "must be one of " + String.join(", ", names));
                }
              });
    }

    /** True, false (or null) or one of these texts. */
    public Builder flagOr(String name, boolean defaultValue, String... allowed) {
      List<String> names = Arrays.asList(allowed);
      return field(name, defaultValue)
          .rule(
              fields -> {
                Object value = fields.get(name);
                if (!(value == null
                    || value instanceof Boolean
                    || (value instanceof String && names.contains(value)))) {
                  throw fields.invalid(
                      name, "must be true, false or one of " + String.join(", ", names));
                }
              });
    }

    /** A list of texts, or null. */
    public Builder texts(String name) {
      return field(name, null).rule(fields -> fields.texts(name));
    }

    /** An object, or null. */
    public Builder object(String name) {
      return field(name, null).rule(fields -> fields.object(name));
    }

    /** An object of numbers by module name pattern, such as rank_pattern; empty by default. */
    public Builder pattern(String name) {
      return field(name, Map.of()).rule(fields -> fields.numbers(name));
    }

    /** The same of positive whole numbers. */
    public Builder counts(String name) {
      return field(name, Map.of()).rule(fields -> fields.checkCounts(name));
    }

    /** A rule over all fields; it throws {@link ConfigFields#invalid}. */
    public Builder rule(Consumer<ConfigFields> rule) {
      rules.add(rule);
      return this;
    }

    /** The schema. */
    public ConfigSchema build() {
      return new ConfigSchema(this);
    }
  }
}
