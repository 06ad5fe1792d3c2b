package org.peftjava.transformers.model.bart;

import java.util.Map;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.BackboneInput;
import org.peftjava.transformers.model.DecoderInput;
import org.peftjava.transformers.model.EncoderDecoder;
import org.peftjava.transformers.model.InitialWeights;

/**
 * Encoder and decoder of BART; unless the config says otherwise, they share the token embedding.
 *
 * <p>Reference: {@code BartModel}.
 */
final class BartModel extends Backbone implements EncoderDecoder {
  private static final String SHARED_WEIGHT = "shared.weight";

  private final Slot<EmbeddingLayer> shared;
  private final BartStack encoder;
  private final BartStack decoder;
  private final BartConfig config;

  /** A model without memory for its weights. */
  BartModel(BartConfig config, DType dtype) {
    this.config = config;
    Module table = BartStack.table(config, dtype);
    shared = child("shared", EmbeddingLayer.class, table);
    encoder = child("encoder", new BartStack(config, false, dtype));
    decoder = child("decoder", new BartStack(config, true, dtype));
    if (config.tieWordEmbeddings()) {
      encoder.share(shared.get().table());
      decoder.share(shared.get().table());
    }
    InitialWeights.declare(this, config.initialStd());
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
  public boolean hasLogitsBias() {
    return true;
  }

  @Override
  public EmbeddingLayer inputEmbeddings() {
    return shared.get();
  }

  @Override
  public int outputSize() {
    return config.hiddenSize();
  }

  /** Number of decoder layers. */
  @Override
  public int cachedLayers() {
    return config.layers(true);
  }

  @Override
  public Map<String, String> ties() {
    return Map.of(
        "encoder.embed_tokens.weight", SHARED_WEIGHT, "decoder.embed_tokens.weight", SHARED_WEIGHT);
  }
}
