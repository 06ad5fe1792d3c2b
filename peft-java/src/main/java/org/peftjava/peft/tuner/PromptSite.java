package org.peftjava.peft.tuner;

import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.EmbeddingLayer;

/** What a new prompt encoder may use of its surroundings. */
public interface PromptSite {
  /** The base model's token embedding. */
  EmbeddingLayer words();

  /**
   * The ids of a text.
   *
   * @param tokenizer id or folder of the tokenizer
   * @param options Python's options for loading it
   */
  long[] tokenIds(String tokenizer, Map<String, ? extends @Nullable Object> options, String text);

  /** The tensors of a weights file, by name; owned by the current scope. */
  Map<String, Tensor> weights(Path file);
}
