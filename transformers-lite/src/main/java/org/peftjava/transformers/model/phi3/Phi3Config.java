package org.peftjava.transformers.model.phi3;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.ConfigRules;
import org.peftjava.transformers.model.LayerType;
import org.peftjava.transformers.model.RopeParameters;
import org.peftjava.transformers.model.RotaryConfig;
import org.peftjava.transformers.model.RotaryConfigBuilder;
import org.peftjava.transformers.model.RotaryConfigJson;

/**
 * The configuration of a Phi-3 model, with the names, meanings and defaults of transformers' {@code
 * Phi3Config}.
 *
 * @param json every setting, completed by the defaults
 * @param nameOrPath where the model came from
 */
public record Phi3Config(ConfigJson json, Optional<String> nameOrPath) implements RotaryConfig {
  static final String MODEL_TYPE = "phi3";

  private static final String PARTIAL = "partial_rotary_factor";

  private static final ConfigJson DEFAULTS =
      ConfigJson.parse(
          """
          {
            "model_type": "phi3",
            "vocab_size": 32064,
            "hidden_size": 3072,
            "intermediate_size": 8192,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": null,
            "resid_pdrop": 0.0,
            "embd_pdrop": 0.0,
            "attention_dropout": 0.0,
            "hidden_act": "silu",
            "max_position_embeddings": 4096,
            "original_max_position_embeddings": 4096,
            "initializer_range": 0.02,
            "rms_norm_eps": 1e-05,
            "use_cache": true,
            "tie_word_embeddings": false,
            "bos_token_id": 1,
            "eos_token_id": 32000,
            "pad_token_id": 32000,
            "sliding_window": null
          }
          """,
          Path.of("Phi3Config"));

  /** Completes and checks the settings. */
  public Phi3Config {
    json = completed(json);
    ConfigRules.probabilities(json, "resid_pdrop");
  }

  /** The defaults of transformers: the shape of Phi-3-mini-4k. */
  public static Builder builder() {
    return new Builder(ConfigJson.empty(Path.of("config.json")), Optional.empty());
  }

  /** A builder with these values. */
  public Builder toBuilder() {
    return new Builder(json, nameOrPath);
  }

  /** Reads the settings; absent ones get transformers' defaults. */
  public static Phi3Config of(ConfigJson json) {
    return new Phi3Config(json, Optional.empty());
  }

  @Override
  public String modelType() {
    return MODEL_TYPE;
  }

  @Override
  public Phi3Config withNameOrPath(String name) {
    return new Phi3Config(json, Optional.of(name));
  }

  /** Probability after each block, while training. */
  public double residPdrop() {
    return json.getDouble("resid_pdrop");
  }

  /**
   * The original length of longrope, beyond which all keys turn by other angles; transformers'
   * {@code Phi3ForCausalLM.prepare_inputs_for_generation}.
   */
  @Override
  public int cacheBorder() {
    RopeParameters rope = rope(LayerType.FULL);
    return rope.type().equals("longrope") ? (int) rope.original() : UNLIMITED;
  }

  /** Older names of longrope, which this architecture alone had, become the present one. */
  private static ConfigJson completed(ConfigJson json) {
    ConfigJson renamed = json;
    for (String key : List.of("rope_parameters", "rope_scaling")) {
      renamed = withLongrope(renamed, key);
    }
    ConfigJson done = RotaryConfigJson.complete(renamed, DEFAULTS);
    ConfigJson rope = done.findObject("rope_parameters").orElseThrow();
    return rope.has(PARTIAL)
        ? done
        : done.with("rope_parameters", rope.with(PARTIAL, 1.0).toNode());
  }

  private static ConfigJson withLongrope(ConfigJson json, String key) {
    Optional<ConfigJson> rope = json.findObject(key);
    String type =
        rope.map(r -> r.getString("rope_type", r.getString("type", "default"))).orElse("default");
    return type.equals("su") || type.equals("yarn")
        ? json.with(key, rope.orElseThrow().with("rope_type", "longrope").toNode())
        : json;
  }

  /** Builds a {@link Phi3Config}; each method sets the key of its name. */
  public static final class Builder extends RotaryConfigBuilder<Builder> {
    private final Optional<String> nameOrPath;

    private Builder(ConfigJson json, Optional<String> nameOrPath) {
      super(json);
      this.nameOrPath = nameOrPath;
    }

    @Override
    protected Builder self() {
      return this;
    }

    /** Name of the nonlinearity. */
    public Builder hiddenAct(String value) {
      return with("hidden_act", value);
    }

    /** Dropout after each block. */
    public Builder residPdrop(double value) {
      return with("resid_pdrop", value);
    }

    /** The longest sequence before it was stretched. */
    public Builder originalMaxPositionEmbeddings(int value) {
      return with("original_max_position_embeddings", value);
    }

    /** The number of tokens that a token sees; null for all. */
    public Builder slidingWindow(@Nullable Integer value) {
      return with("sliding_window", value);
    }

    /** The config. */
    public Phi3Config build() {
      return new Phi3Config(json(), nameOrPath);
    }
  }
}
