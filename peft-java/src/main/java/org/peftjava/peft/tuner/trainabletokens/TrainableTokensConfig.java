package org.peftjava.peft.tuner.trainabletokens;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.ConfigFields;
import org.peftjava.peft.tuner.ConfigSchema;
import org.peftjava.peft.tuner.LayerTunerConfig;
import org.peftjava.peft.tuner.TargetFields;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.peft.tuner.TokenTargets;
import org.peftjava.peft.tuner.TunerConfigBuilder;

/**
 * The configuration of trainable tokens. Reference: PEFT {@code
 * tuners/trainable_tokens/config.py::TrainableTokensConfig}.
 */
public final class TrainableTokensConfig extends LayerTunerConfig {
  private static final String TOKENS = "token_indices";
  private static final ConfigSchema SCHEMA =
      ConfigSchema.of("TrainableTokensConfig", "TRAINABLE_TOKENS")
          .field(TOKENS, List.of())
          .field("target_modules", null)
          .flag("init_weights", true)
          .rule(TargetFields::check)
          .rule(TrainableTokensConfig::checkTokens)
          .build();

  private TrainableTokensConfig(ConfigFields fields) {
    super(fields);
  }

  private static void checkTokens(ConfigFields fields) {
    if (!(fields.get(TOKENS) instanceof List<?>)) {
      throw fields.invalid(TOKENS, "must be a list of token ids");
    }
    TokenTargets.ofField(fields, TOKENS, false);
  }

  /** The config with these values of adapter_config.json; absent ones have Python's defaults. */
  public static TrainableTokensConfig of(Map<String, ? extends @Nullable Object> values) {
    return new TrainableTokensConfig(SCHEMA.read(values));
  }

  /** A builder with Python's defaults. */
  public static Builder builder() {
    return new Builder(Map.of());
  }

  @Override
  public TrainableTokensConfig with(String field, @Nullable Object value) {
    return new TrainableTokensConfig(SCHEMA.check(fields().with(field, value)));
  }

  /** Ids of the tokens to train. */
  public List<Long> tokenIndices() {
    return TokenTargets.ofField(fields(), TOKENS, false).tokens().values().stream()
        .findFirst()
        .orElse(List.of());
  }

  /** Whether rows start as they are in the base, so that nothing changes; else random. */
  public boolean initWeights() {
    return fields().flag("init_weights");
  }

  /** Collects the fields of a {@link TrainableTokensConfig}. */
  public static final class Builder extends TunerConfigBuilder<Builder> {
    private Builder(Map<String, ? extends @Nullable Object> values) {
      super(values);
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Ids of the tokens to train; none. */
    public Builder tokenIndices(int... value) {
      return set(TOKENS, Arrays.stream(value).boxed().toList());
    }

    /** The embeddings or heads whose rows are trained; the model's token embeddings. */
    public Builder targetModules(TargetModules value) {
      return set("target_modules", value.toField());
    }

    /** The same by name: the whole path, or its end after a dot. Not patterns. */
    public Builder targetModules(String... value) {
      return set("target_modules", Arrays.asList(value));
    }

    /** Whether rows start as they are in the base; true. */
    public Builder initWeights(boolean value) {
      return set("init_weights", value);
    }

    /** The config, checked. */
    public TrainableTokensConfig build() {
      return of(values());
    }
  }
}
