package org.peftjava.transformers.model.debertav2;

import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.LayerNorm;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.BackboneInput;
import org.peftjava.transformers.model.PositionIds;
import org.peftjava.transformers.model.TokenTypes;

/**
 * A vector for each token, and one for its position and segment if the model has them, brought to
 * the hidden size and normalised; 0 at padding.
 *
 * <p>Reference: {@code DebertaV2Embeddings}. Letters: {@code b} batch, {@code t} tokens, {@code e}
 * hidden size.
 */
final class DebertaV2Embeddings extends Module {
  private final Slot<EmbeddingLayer> words;
  private final @Nullable Slot<EmbeddingLayer> positions;
  private final @Nullable Slot<EmbeddingLayer> types;
  private final @Nullable Slot<LinearLayer> projection;
  private final Slot<Layer> norm;
  private final PositionIds positionIds;
  private final int typeCount;
  private final double dropout;

  DebertaV2Embeddings(DebertaV2Config config, DType dtype) {
    int size = config.embeddingSize();
    int places = config.maxPositionEmbeddings();
    positionIds = new PositionIds.Absolute(places);
    typeCount = config.typeVocabSize();
    dropout = config.hiddenDropoutProb();
    words = table("word_embeddings", config.vocabSize(), size, config.padTokenId(), dtype);
    OptionalLong none = OptionalLong.empty();
    positions =
        config.positionBiasedInput()
            ? table("position_embeddings", places, size, none, dtype)
            : null;
    types = typeCount > 0 ? table("token_type_embeddings", typeCount, size, none, dtype) : null;
    projection =
        size == config.hiddenSize()
            ? null
            : child(
                "embed_proj",
                LinearLayer.class,
                new Linear(size, config.hiddenSize(), false, dtype));
    norm =
        child(
            "LayerNorm",
            Layer.class,
            new LayerNorm(config.hiddenSize(), config.layerNormEps(), dtype));
  }

  private Slot<EmbeddingLayer> table(
      String name, long rows, long size, OptionalLong padding, DType dtype) {
    return child(name, EmbeddingLayer.class, new Embedding(rows, size, padding, dtype));
  }

  EmbeddingLayer words() {
    return words.get();
  }

  /** The vectors (b, t, e) of the input's tokens. */
  Tensor forward(BackboneInput input) {
    try (TensorScope scope = TensorScope.open("embeddings")) {
      Tensor sum = input.embedded(words());
      if (positions != null) {
        sum = sum.add(positions.get().forward(positionIds.of(input, sum.device())));
      }
      if (types != null) {
        Tensor segments = TokenTypes.of(input.tokenTypeIds(), typeCount, sum.device());
        sum = sum.add(types.get().forward(segments));
      }
      Tensor sized = projection == null ? sum : projection.get().forward(sum);
      Tensor normed = norm.get().forward(sized);
      Tensor mask = input.attentionMask();
      Tensor kept = mask == null ? normed : normed.mul(mask.unsqueeze(2).to(normed.dtype()));
      return scope.keep(Dropouts.dropout(kept, isTraining() ? dropout : 0));
    }
  }
}
