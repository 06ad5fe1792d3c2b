package org.peftjava.transformers.model.debertav2;

import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.LayerNorm;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModuleList;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.BackboneInput;
import org.peftjava.transformers.model.InitialWeights;
import org.peftjava.transformers.model.LayerStack;
import org.peftjava.transformers.model.LayerTrace;

/**
 * The DeBERTa-v2 encoder: embeddings and a stack of layers that share one table of vectors for
 * distances.
 *
 * <p>Reference: {@code DebertaV2Model}.
 */
final class DebertaV2Model extends Backbone {
  private final DebertaV2Config config;
  private final DebertaV2Embeddings embeddings;
  private final Encoder encoder;

  /** A model without memory for its weights. */
  DebertaV2Model(DebertaV2Config config, DType dtype) {
    this.config = config;
    embeddings = child("embeddings", new DebertaV2Embeddings(config, dtype));
    encoder = child("encoder", new Encoder(config, dtype));
    InitialWeights.declare(this, config.initialStd());
  }

  @Override
  public Tensor forward(BackboneInput input) {
    if (input.past() != null) {
      throw new IllegalArgumentException(
          "Keys and values of earlier tokens were passed to DeBERTa, which keeps none. Leave them"
              + " out.");
    }
    try (TensorScope scope = TensorScope.open("deberta")) {
      Tensor embedded = embeddings.forward(input);
      DebertaV2Context context =
          new DebertaV2Context(
              encoder.distances(input.tokens()), padding(input.attentionMask()), input.trace());
      List<DebertaV2Layer> layers = encoder.layers.list();
      Tensor result = LayerStack.run(layers, embedded, context, recomputes(), encoder::step);
      LayerTrace trace = input.trace();
      if (trace != null) {
        trace.hiddenState(result);
      }
      return scope.keep(result);
    }
  }

  private static @Nullable Tensor padding(@Nullable Tensor mask) {
    return mask == null || mask.min().toLong() != 0 ? null : mask;
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
    return 0;
  }

  private static final class Encoder extends Module {
    private final DebertaV2Config config;
    private final ModuleList<DebertaV2Layer> layers;
    private final @Nullable Slot<EmbeddingLayer> vectors;
    private final @Nullable Slot<Layer> norm;
    private final @Nullable DebertaV2Convolution convolution;

    Encoder(DebertaV2Config config, DType dtype) {
      this.config = config;
      layers = child("layer", new ModuleList<>(DebertaV2Layer.class));
      for (int i = 0; i < config.numHiddenLayers(); i++) {
        layers.add(new DebertaV2Layer(config, dtype));
      }
      long size = config.hiddenSize();
      vectors =
          config.relativeAttention()
              ? child(
                  "rel_embeddings",
                  EmbeddingLayer.class,
                  new Embedding(2L * config.span(), size, dtype))
              : null;
      norm =
          config.normRelEbd()
              ? child("LayerNorm", Layer.class, new LayerNorm(size, config.layerNormEps(), dtype))
              : null;
      convolution =
          config.convKernelSize() > 0
              ? child("conv", new DebertaV2Convolution(config, dtype))
              : null;
    }

    /** The vectors of the distances between this many tokens, or null if distances do not count. */
    @Nullable Distances distances(long tokens) {
      if (vectors == null || config.posAttType().isEmpty()) {
        return null;
      }
      Tensor table = vectors.get().table().tensor();
      return Distances.of(
          norm == null ? table : norm.get().forward(table),
          tokens,
          config.positionBuckets(),
          config.maxRelativePositions());
    }

    /** One layer, and after the first one the convolution. */
    Tensor step(DebertaV2Layer layer, Tensor x, DebertaV2Context context) {
      if (convolution == null || layer != layers.list().get(0)) {
        return layer.forward(x, context);
      }
      try (TensorScope scope = TensorScope.open("first layer")) {
        Tensor output = layer.forward(x, context);
        return scope.keep(convolution.forward(x, output, context.padding()));
      }
    }
  }
}
