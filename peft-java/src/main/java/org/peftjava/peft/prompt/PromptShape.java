package org.peftjava.peft.prompt;

import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.PromptFields;
import org.peftjava.peft.tuner.PromptLearningConfig;
import org.peftjava.peft.tuner.PromptLearningMethod.Place;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.transformers.config.ConfigJson;

/**
 * What a prompt learning config says about a model, read from the model's own config.
 *
 * <p>Reference: PEFT {@code utils/other.py::_prepare_prompt_learning_config}: what the config sets
 * stays, except that a prefix always has the size of the model's keys where several queries share
 * one.
 *
 * @param json the model's {@code config.json}
 * @param transformers 2 for encoder and decoder, else 1
 */
public record PromptShape(ConfigJson json, int transformers) {
  private static final String KEY_VALUE_HEADS = "num_key_value_heads";
  private static final String HEAD_SIZE = "head_dim";

  /** The config with everything that it leaves to the model. */
  public TunerConfig complete(PromptLearningConfig config, Place place) {
    TunerConfig result = config.settled();
    result = with(result, PromptFields.SUBMODULES, transformers);
    result = fromModel(result, PromptFields.LAYERS, "num_hidden_layers", "num_layers", "n_layer");
    result = fromModel(result, PromptFields.TOKEN_DIM, "hidden_size", "n_embd", "d_model", "dim");
    result =
        fromModel(
            result,
            PromptFields.HEADS,
            "num_attention_heads",
            "n_head",
            "num_heads",
            "encoder_attention_heads",
            "n_heads");
    if (place == Place.KEY_VALUES && json.has(KEY_VALUE_HEADS)) {
      int asked = json.getInt(KEY_VALUE_HEADS);
      int size =
          json.has(HEAD_SIZE)
              ? json.getInt(HEAD_SIZE)
              : number(result, PromptFields.TOKEN_DIM) / number(result, PromptFields.HEADS);
      result = result.with(PromptFields.TOKEN_DIM, size * asked).with(PromptFields.HEADS, asked);
    }
    return result.fields().values().containsKey(PromptFields.ENCODER_SIZE)
        ? with(result, PromptFields.ENCODER_SIZE, number(result, PromptFields.TOKEN_DIM))
        : result;
  }

  private TunerConfig fromModel(TunerConfig config, String field, String... keys) {
    if (config.fields().get(field) != null) {
      return config;
    }
    for (String key : keys) {
      if (json.has(key)) {
        return config.with(field, json.getInt(key));
      }
    }
    throw config.fields().invalid(field, "must be set, since the model's config does not say it");
  }

  private static TunerConfig with(TunerConfig config, String field, @Nullable Object value) {
    return config.fields().get(field) == null ? config.with(field, value) : config;
  }

  private static int number(TunerConfig config, String field) {
    return config.fields().integer(field);
  }
}
