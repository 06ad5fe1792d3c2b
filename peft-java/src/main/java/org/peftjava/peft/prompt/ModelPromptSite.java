package org.peftjava.peft.prompt;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.PromptSite;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.TorchFile;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.tokenizer.Tokenizer;

/**
 * The surroundings of a model of this library.
 *
 * @param table the model's token embedding as it stands
 */
public record ModelPromptSite(Supplier<EmbeddingLayer> table) implements PromptSite {
  @Override
  public EmbeddingLayer words() {
    return table.get();
  }

  @Override
  public long[] tokenIds(
      String tokenizer, Map<String, ? extends @Nullable Object> options, String text) {
    Object revision = options.get("revision");
    try (Tokenizer open =
        AutoTokenizer.fromPretrained(
            tokenizer,
            load -> {
              if (revision instanceof String name) {
                load.revision(name);
              }
            })) {
      return open.encode(text).inputIds()[0];
    }
  }

  @Override
  public Map<String, Tensor> weights(Path file) {
    Map<String, Tensor> result = new LinkedHashMap<>();
    try (WeightSource source =
        file.toString().endsWith(".safetensors") ? Safetensors.open(file) : TorchFile.open(file)) {
      for (String name : source.names()) {
        result.put(name, source.tensor(name).copy());
      }
    }
    return result;
  }
}
