package org.peftjava.peft.tuner.osf;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;
import org.peftjava.peft.tuner.PythonRegex;
import org.peftjava.peft.tuner.TargetConfigBuilder;

/** The configuration of OSF. Reference: PEFT {@code tuners/osf/config.py}. */
public final class OSFConfig extends LayerTunerConfig {
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("OSFConfig", "OSF")
          .targets()
          .field("effective_rank", null)
          .field("rank_pattern", null)
          .flag("init_weights", true)
          .object("target_svd_config")
          .rule(OSFConfig::checkRanks)
          .build();

  private OSFConfig(ConfigFields fields) {
    super(fields);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static OSFConfig of(Map<String, ? extends @Nullable Object> values) {
    return new OSFConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  @Override
  public OSFConfig with(String field, @Nullable Object value) {
    return new OSFConfig(SCHEMA.check(fields().with(field, value)));
  }

  /**
   * How many singular values of a weight are kept as they are.
   *
   * @param path of the layer
   * @param all how many it has
   */
  int keptOf(String path, long all) {
    Object value = fields().get("effective_rank");
    String field = "effective_rank";
    String from = "";
    for (Map.Entry<String, Number> entry : fields().numbers("rank_pattern").entrySet()) {
      if (PythonRegex.compile(entry.getKey(), "rankPattern").isFoundIn(path)) {
        value = entry.getValue();
        field = "rank_pattern";
        from = " for \"" + entry.getKey() + "\"";
        break;
      }
    }
    long kept;
    if (value == null) {
      kept = all / 2;
    } else {
      double number = ((Number) value).doubleValue();
      kept = (long) (isShare(value) ? all * number : number);
    }
    if (kept < 1 || kept >= all) {
      throw fields()
          .invalid(
              field,
              "must keep at least one of the "
                  + all
                  + " singular values of \""
                  + path
                  + "\" and leave one to train; there it would keep "
                  + kept
                  + from);
    }
    return (int) kept;
  }

  /** Whether a number is a share of all, not a count. */
  private static boolean isShare(Object value) {
    return value instanceof Double share && share > 0 && share <= 1;
  }

  private static void checkRanks(ConfigFields fields) {
    if (fields.isSet("effective_rank")) {
      checkPositive(fields, "effective_rank", fields.number("effective_rank"), "");
    }
    fields
        .numbers("rank_pattern")
        .forEach(
            (key, value) ->
                checkPositive(fields, "rank_pattern", value.doubleValue(), " for \"" + key + "\""));
  }

  private static void checkPositive(ConfigFields fields, String name, double value, String where) {
    if (!(value > 0)) {
      throw fields.invalid(name, "must be a number or share of singular values above 0" + where);
    }
  }

  /** Whether a fresh adapter changes nothing. */
  public boolean initWeights() {
    return fields().flag("init_weights");
  }

  /** Collects the fields of a {@link OSFConfig}. */
  public static final class Builder extends TargetConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** How many of the largest singular values of a weight are kept as they are; half of them. */
    public Builder effectiveRank(int value) {
      return set("effective_rank", value);
    }

    /** The share of singular values that are kept, in (0, 1]; half of them. */
    public Builder effectiveRank(double value) {
      return set("effective_rank", value);
    }

    /** Numbers or shares for modules in whose path the expression is found; none. */
    public Builder rankPattern(Map<String, ? extends Number> value) {
      return set("rank_pattern", value);
    }

    /** Whether a fresh adapter changes nothing; true. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /** Without effect; none. */
    public Builder targetSvdConfig(Map<String, Integer> value) {
      return set("target_svd_config", value);
    }

    /** The config, checked. */
    public OSFConfig build() {
      return of(values());
    }
  }
}
