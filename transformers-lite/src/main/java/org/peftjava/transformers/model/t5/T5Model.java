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
import org.peftjava.transformers.model.DecoderInput;
import org.peftjava.transformers.model.EncoderDecoder;

/** Encoder and decoder of T5 with the token embedding that they share, as {@code T5Model}. */
public final class T5Model extends Backbone implements EncoderDecoder {
  private static final String SHARED_WEIGHT = "shared.weight";

  private final Slot<EmbeddingLayer> shared;
  private final T5Stack encoder;
  private final T5Stack decoder;
  private final T5Config config;

  /** A model without memory for its weights. */
  public T5Model(T5Config config, DType dtype) {
    this.config = config;
    Embedding table = T5Weights.embedding(config, dtype);
    shared = child("shared", EmbeddingLayer.class, table);
    encoder = child("encoder", new T5Stack(config, false, table.table(), dtype));
    decoder = child("decoder", new T5Stack(config, true, table.table(), dtype));
  }

  /** The encoder's hidden states. */
  @Override
  public Tensor forward(BackboneInput source) {
    return encoder.encode(source, recomputes());
  }

  @Override
  public Tensor decode(DecoderInput input) {
    return decoder.decode(input, recomputes());
  }

  @Override
  public Set<String> movableChildren() {
    return Set.of("encoder.final_layer_norm", "decoder.final_layer_norm");
  }

  @Override
  public EmbeddingLayer inputEmbeddings() {
    return shared.get();
  }

  @Override
  public int outputSize() {
    return config.dModel();
  }

  @Override
  public double headScale() {
    return config.scaleDecoderOutputs() ? 1 / Math.sqrt((double) config.dModel()) : 1;
  }

  /** Number of decoder layers. */
  @Override
  public int cachedLayers() {
    return config.numDecoderLayers();
  }

  @Override
  public Map<String, String> ties() {
    return Map.of(
        "encoder.embed_tokens.weight", SHARED_WEIGHT, "decoder.embed_tokens.weight", SHARED_WEIGHT);
  }
}
