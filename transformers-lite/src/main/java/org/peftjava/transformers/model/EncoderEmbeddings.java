package org.peftjava.transformers.model;

import java.util.OptionalLong;
import org.peftjava.torch.DType;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.LayerNorm;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;

/**
 * The sum of a vector for each token, its segment and its position, normalised.
 *
 * <p>Reference: {@code BertEmbeddings}, {@code RobertaEmbeddings}, {@code ElectraEmbeddings}.
 * Letters: {@code b} batch, {@code t} tokens, {@code e} length of a vector.
 */
final class EncoderEmbeddings extends Module {
  private final EncoderConfig config;
  private final PositionIds positionIds;
  private final Slot<EmbeddingLayer> words;
  private final Slot<EmbeddingLayer> types;
  private final Slot<EmbeddingLayer> positions;
  private final Slot<Layer> norm;

  EncoderEmbeddings(EncoderConfig config, PositionIds positionIds, DType dtype) {
    this.config = config;
    this.positionIds = positionIds;
    long size = config.embeddingSize();
    words = table("word_embeddings", config.vocabSize(), config.padTokenId(), dtype);
    positions =
        table("position_embeddings", positionIds.tableSize(), positionIds.paddingIdx(), dtype);
    types = table("token_type_embeddings", config.typeVocabSize(), OptionalLong.empty(), dtype);
    norm = child("LayerNorm", Layer.class, new LayerNorm(size, config.layerNormEps(), dtype));
  }

  private Slot<EmbeddingLayer> table(String name, long rows, OptionalLong padding, DType dtype) {
    Embedding table = new Embedding(rows, config.embeddingSize(), padding, dtype);
    return child(name, EmbeddingLayer.class, table);
  }

  EmbeddingLayer words() {
    return words.get();
  }

  /** The vectors (b, t, e) of the input's tokens. */
  Tensor forward(BackboneInput input) {
    try (TensorScope scope = TensorScope.open("embeddings")) {
      Tensor tokens = input.embedded(words());
      Tensor typeIds = TokenTypes.of(input.tokenTypeIds(), config.typeVocabSize(), tokens.device());
      Tensor segments = types.get().forward(typeIds);
      Tensor places = positions.get().forward(positionIds.of(input, tokens.device()));
      Tensor normed = norm.get().forward(tokens.add(segments).add(places));
      double dropped = isTraining() ? config.hiddenDropoutProb() : 0;
      return scope.keep(Dropouts.dropout(normed, dropped));
    }
  }
}
