package org.peftjava.transformers.model.distilbert;

import java.util.Optional;
import java.util.OptionalLong;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Dropouts;
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
import org.peftjava.transformers.model.EncoderStack;
import org.peftjava.transformers.model.InitialWeights;
import org.peftjava.transformers.model.PositionIds;

/** The DistilBERT backbone: token and position embeddings and a stack of layers. */
public final class DistilBertModel extends Backbone {
  /** What all norms add to the variance. */
  static final double LAYER_NORM_EPS = 1e-12;

  private final DistilBertConfig config;
  private final Embeddings embeddings;
  private final Transformer transformer;

  /** A model without memory for its weights. */
  public DistilBertModel(DistilBertConfig config, DType dtype) {
    this.config = config;
    embeddings = child("embeddings", new Embeddings(config, dtype));
    transformer = child("transformer", new Transformer(config, dtype));
    InitialWeights.declare(this, config.initialStd());
    embeddings.declareSines();
  }

  @Override
  public Tensor forward(BackboneInput input) {
    try (TensorScope scope = TensorScope.open("DistilBertModel.forward")) {
      return scope.keep(
          EncoderStack.run(
              transformer.layers.list(),
              input,
              embeddings.forward(input),
              recomputes(),
              DistilBertLayer::forward));
    }
  }

  @Override
  public EmbeddingLayer inputEmbeddings() {
    return embeddings.words.get();
  }

  @Override
  public int outputSize() {
    return config.hiddenSize();
  }

  @Override
  public Optional<ModuleList<?>> layerList() {
    return Optional.of(transformer.layers);
  }

  @Override
  public int cachedLayers() {
    return 0;
  }

  private static final class Transformer extends Module {
    private final ModuleList<DistilBertLayer> layers;

    Transformer(DistilBertConfig config, DType dtype) {
      layers = child("layer", new ModuleList<>(DistilBertLayer.class));
      for (int i = 0; i < config.numHiddenLayers(); i++) {
        layers.add(new DistilBertLayer(config, i, dtype));
      }
    }
  }

  private static final class Embeddings extends Module {
    private final DistilBertConfig config;
    private final PositionIds positionIds;
    private final Slot<EmbeddingLayer> words;
    private final Slot<EmbeddingLayer> positions;
    private final Slot<Layer> norm;

    Embeddings(DistilBertConfig config, DType dtype) {
      this.config = config;
      positionIds = new PositionIds.Absolute(config.maxPositionEmbeddings());
      words = table("word_embeddings", config.vocabSize(), config.padTokenId(), dtype);
      positions =
          table("position_embeddings", config.maxPositionEmbeddings(), OptionalLong.empty(), dtype);
      norm =
          child(
              "LayerNorm", Layer.class, new LayerNorm(config.hiddenSize(), LAYER_NORM_EPS, dtype));
    }

    private Slot<EmbeddingLayer> table(String name, long rows, OptionalLong padding, DType dtype) {
      Embedding table = new Embedding(rows, config.hiddenSize(), padding, dtype);
      return child(name, EmbeddingLayer.class, table);
    }

    void declareSines() {
      if (config.sinusoidalPosEmbds()) {
        positions.get().table().init(Embeddings::fillWithSines);
      }
    }

    /** Sines in even columns, cosines in odd ones. */
    private static void fillWithSines(Tensor table) {
      int rows = (int) table.size(0);
      int size = (int) table.size(1);
      float[] values = new float[rows * size];
      for (int row = 0; row < rows; row++) {
        for (int j = 0; j < size; j++) {
          double angle = row / Math.pow(10000, (double) (j - j % 2) / size);
          values[row * size + j] = (float) (j % 2 == 0 ? Math.sin(angle) : Math.cos(angle));
        }
      }
      table.copyInPlace(Creation.ofFloats(values, rows, size));
    }

    Tensor forward(BackboneInput input) {
      try (TensorScope scope = TensorScope.open("embeddings")) {
        Tensor tokens = input.embedded(words.get());
        Tensor places = positions.get().forward(positionIds.of(input, tokens.device()));
        Tensor normed = norm.get().forward(tokens.add(places));
        double dropped = isTraining() ? config.dropout() : 0;
        return scope.keep(Dropouts.dropout(normed, dropped));
      }
    }
  }
}
