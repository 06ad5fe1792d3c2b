package org.peftjava.peft.prompt;

import java.util.ArrayList;
import java.util.List;
import org.peftjava.peft.tuner.ActingPrompt;
import org.peftjava.peft.tuner.PromptFields;
import org.peftjava.peft.tuner.PromptLearningConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.KvCache;
import org.peftjava.transformers.model.KvCache.KeyValues;

/**
 * Learned vectors (n, 2 l h d) as the keys and values (b, h, n, d) of l layers, owned by the
 * current scope.
 *
 * <p>Reference: PEFT {@code PeftModel.get_prompt}.
 */
final class Prefix {
  private Prefix() {}

  /**
   * What is in front of the keys and values of each of the layers. One layer's keys and values
   * follow each other; for encoder and decoder, a layer's four parts do, of which only the first
   * two are used, and all parts are dealt out twice.
   */
  static List<KeyValues> of(ActingPrompt prompt, long batch, DType dtype, Backbone layers) {
    check(prompt, layers);
    List<Tensor> parts = parts(prompt, batch, dtype);
    int step = 2 * prompt.config().required(PromptFields.SUBMODULES);
    List<KeyValues> prefix = new ArrayList<>();
    for (int layer = 0; layer < layers.cachedLayers(); layer++) {
      int keys = layer * step % parts.size();
      prefix.add(new KeyValues(parts.get(keys), parts.get(keys + 1)));
    }
    return prefix;
  }

  private static void check(ActingPrompt prompt, Backbone layers) {
    if (layers.cachedLayers() == 0) {
      throw new IllegalArgumentException(
          prompt.config().peftType()
              + " is not possible with this model, whose layers take no keys and values besides"
              + " their own ("
              + layers.getClass().getSimpleName()
              + "). Prompt tuning and P-tuning are.");
    }
    int had = prompt.config().required(PromptFields.LAYERS);
    if (had < layers.cachedLayers()) {
      throw new IllegalArgumentException(
          "The prefix has keys and values for "
              + had
              + " layers (num_layers), but the model has "
              + layers.cachedLayers()
              + ". Set numLayers in the adapter's config.");
    }
  }

  /** Each layer's keys, then its values: (b, h, n, d), 2 l of them. */
  private static List<Tensor> parts(ActingPrompt prompt, long batch, DType dtype) {
    PromptLearningConfig config = prompt.config();
    long heads = config.required(PromptFields.HEADS);
    long size = config.required(PromptFields.TOKEN_DIM) / heads;
    int count = 2 * config.required(PromptFields.LAYERS);
    Tensor split =
        prompt
            .rows(batch, dtype, null)
            .reshape(batch, prompt.tokens(), count, heads, size)
            .permute(2, 0, 3, 1, 4);
    List<Tensor> parts = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      parts.add(split.select(0, i));
    }
    return parts;
  }

  /** Puts a prefix into an empty cache, as if its tokens had been seen. */
  static void fill(KvCache cache, List<KeyValues> prefix) {
    try (TensorScope scope = TensorScope.open("prefix");
        GradMode off = GradMode.noGrad()) {
      for (int layer = 0; layer < prefix.size(); layer++) {
        cache.append(layer, prefix.get(layer).keys(), prefix.get(layer).values());
      }
      cache.advance(prefix.get(0).keys().size(2));
    }
  }
}
