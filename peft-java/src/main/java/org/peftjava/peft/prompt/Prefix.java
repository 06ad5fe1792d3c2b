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

  /** A layer's keys and values follow each other. */
  static List<KeyValues> ofDecoder(ActingPrompt prompt, long batch, DType dtype) {
    List<Tensor> parts = parts(prompt, batch, dtype);
    List<KeyValues> layers = new ArrayList<>();
    for (int layer = 0; 2 * layer < parts.size(); layer++) {
      layers.add(new KeyValues(parts.get(2 * layer), parts.get(2 * layer + 1)));
    }
    return layers;
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
