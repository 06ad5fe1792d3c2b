package org.peftjava.transformers.model;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModuleList;
import org.peftjava.torch.nn.Slot;

/**
 * An encoder like BERT: embeddings, a stack of layers, and a pooler that makes one vector of each
 * text's first token.
 *
 * <p>Reference: {@code BertModel}, {@code RobertaModel}, {@code ElectraModel}.
 */
public final class EncoderModel extends Backbone {
  private static final String POOLER = "pooler";

  private final EncoderConfig config;
  private final EncoderEmbeddings embeddings;
  private final @Nullable Slot<LinearLayer> projection;
  private final Encoder encoder;
  private final @Nullable Pooler pooler;

  /** A model without memory for its weights. */
  public EncoderModel(
      EncoderConfig config, PositionIds positionIds, boolean addPoolingLayer, DType dtype) {
    this.config = config;
    embeddings = child("embeddings", new EncoderEmbeddings(config, positionIds, dtype));
    projection = projection(config, dtype);
    encoder = child("encoder", new Encoder(config, dtype));
    pooler = addPoolingLayer ? child(POOLER, new Pooler(config.hiddenSize(), dtype)) : null;
    InitialWeights.declare(this, config.initialStd());
  }

  private @Nullable Slot<LinearLayer> projection(EncoderConfig config, DType dtype) {
    int size = config.embeddingSize();
    return size == config.hiddenSize()
        ? null
        : child(
            "embeddings_project",
            LinearLayer.class,
            new Linear(size, config.hiddenSize(), true, dtype));
  }

  @Override
  public Tensor forward(BackboneInput input) {
    try (TensorScope scope = TensorScope.open("encoder")) {
      List<EncoderLayer> layers = encoder.layers.list();
      Tensor vectors = embeddings.forward(input);
      Tensor embedded = projection == null ? vectors : projection.get().forward(vectors);
      return scope.keep(
          config.isDecoder()
              ? EncoderStack.causal(layers, input, embedded, recomputes(), EncoderLayer::forward)
              : EncoderStack.run(layers, input, embedded, recomputes(), EncoderLayer::forward));
    }
  }

  @Override
  public Optional<Tensor> pooled(Tensor hidden) {
    return Optional.ofNullable(pooler).map(layer -> layer.forward(hidden));
  }

  @Override
  public Set<String> optionalChildren() {
    return Set.of(POOLER);
  }

  @Override
  public Set<String> movableChildren() {
    return Set.of(POOLER + ".dense");
  }

  @Override
  public EmbeddingLayer inputEmbeddings() {
    return embeddings.words();
  }

  @Override
  public int outputSize() {
    return config.hiddenSize();
  }

  @Override
  public Optional<ModuleList<?>> layerList() {
    return Optional.of(encoder.layers);
  }

  @Override
  public int cachedLayers() {
    return encoder.layers.list().size();
  }

  private static final class Encoder extends Module {
    private final ModuleList<EncoderLayer> layers;

    Encoder(EncoderConfig config, DType dtype) {
      layers = child("layer", new ModuleList<>(EncoderLayer.class));
      for (int i = 0; i < config.numHiddenLayers(); i++) {
        layers.add(new EncoderLayer(config, i, dtype));
      }
    }
  }

  /** {@code tanh(W h + b)} of the first token's hidden state: (b, t, e) to (b, e). */
  private static final class Pooler extends Module {
    private final Slot<LinearLayer> dense;

    Pooler(long size, DType dtype) {
      dense = child("dense", LinearLayer.class, new Linear(size, size, true, dtype));
    }

    Tensor forward(Tensor hidden) {
      try (TensorScope scope = TensorScope.open("pooler")) {
        return scope.keep(Ops.tanh(dense.get().forward(dense.bring(hidden.select(1, 0)))));
      }
    }
  }
}
