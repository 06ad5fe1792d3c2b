package org.peftjava.transformers.model.t5;

import java.util.Map;
import java.util.Set;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.BackboneInput;

/** The encoder of T5 alone, to make features of texts, as {@code T5EncoderModel}. */
public final class T5EncoderModel extends Backbone {
  private final Slot<EmbeddingLayer> shared;
  private final T5Stack encoder;
  private final T5Config config;

  /** A model without memory for its weights. */
  public T5EncoderModel(T5Config config, DType dtype) {
    this.config = config;
    Embedding table = T5Weights.embedding(config, dtype);
    shared = child("shared", EmbeddingLayer.class, table);
    encoder = child("encoder", new T5Stack(config, false, table.table(), dtype));
  }

  @Override
  public Tensor forward(BackboneInput input) {
    return encoder.encode(input, recomputes());
  }

  @Override
  public Set<String> movableChildren() {
    return Set.of("encoder.final_layer_norm");
  }

  @Override
  public EmbeddingLayer inputEmbeddings() {
    return shared.get();
  }

  @Override
  public Map<String, String> ties() {
    return Map.of("encoder.embed_tokens.weight", "shared.weight");
  }

  @Override
  public int outputSize() {
    return config.dModel();
  }

  /** None: an encoder sees the whole text at once. */
  @Override
  public int cachedLayers() {
    return 0;
  }
}
