package org.peftjava.transformers.model.bart;

import java.util.List;
import java.util.stream.IntStream;
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
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.AttentionMask;
import org.peftjava.transformers.model.BackboneInput;
import org.peftjava.transformers.model.DecoderInput;
import org.peftjava.transformers.model.EncoderDecoderCache;
import org.peftjava.transformers.model.LayerStack;
import org.peftjava.transformers.model.LayerTrace;
import org.peftjava.transformers.model.LearnedPositions;
import org.peftjava.transformers.model.PositionIds;
import org.peftjava.transformers.model.ScaledEmbedding;
import org.peftjava.transformers.model.Seq2SeqContext;

/**
 * Embeddings of tokens and positions, their norm, and layers: the encoder, or the decoder.
 *
 * <p>Reference: {@code BartEncoder}, {@code BartDecoder}.
 */
final class BartStack extends Module {
  private final Slot<EmbeddingLayer> embedTokens;
  private final Slot<EmbeddingLayer> embedPositions;
  private final ModuleList<BartLayer> layers;
  private final Slot<Layer> norm;
  private final PositionIds positions;
  private final double dropout;
  private final double layerdrop;

  BartStack(BartConfig config, boolean decoder, DType dtype) {
    dropout = config.dropout();
    layerdrop = config.layerdrop(decoder);
    int places = config.maxPositionEmbeddings();
    int size = config.hiddenSize();
    positions = new PositionIds.Absolute(places);
    embedTokens = child("embed_tokens", EmbeddingLayer.class, table(config, dtype));
    embedPositions =
        child("embed_positions", EmbeddingLayer.class, new LearnedPositions(places, size, dtype));
    layers = child("layers", new ModuleList<>(BartLayer.class));
    for (int layer = 0; layer < config.layers(decoder); layer++) {
      layers.add(new BartLayer(config, layer, decoder, dtype));
    }
    norm =
        child(
            "layernorm_embedding",
            Layer.class,
            new LayerNorm(size, BartLayer.LAYER_NORM_EPS, dtype));
  }

  /** A token embedding of this kind of model. */
  static Module table(BartConfig config, DType dtype) {
    int tokens = config.vocabSize();
    int size = config.hiddenSize();
    return config.embedScale() == 1
        ? new Embedding(tokens, size, config.padTokenId(), dtype)
        : new ScaledEmbedding(tokens, size, config.padTokenId(), config.embedScale(), dtype);
  }

  /** Lets the token embedding be another one's. */
  void share(Parameter weight) {
    ((Module) embedTokens.get()).share("weight", weight);
  }

  /** The encoder's hidden states (b, t, e), owned by the current scope. */
  Tensor encode(BackboneInput input, boolean recompute) {
    try (TensorScope scope = TensorScope.open("encoder")) {
      Tensor hidden = embed(input);
      AttentionMask mask =
          AttentionMask.bidirectional(input.attentionMask(), hidden.dtype(), hidden.device());
      Seq2SeqContext context = new Seq2SeqContext(mask, null, input.trace(), null);
      return scope.keep(run(hidden, context, recompute));
    }
  }

  /** The decoder's hidden states (b, t, e), owned by the current scope. */
  Tensor decode(DecoderInput input, boolean recompute) {
    try (TensorScope scope = TensorScope.open("decoder")) {
      BackboneInput tokens = input.tokens();
      Tensor hidden = embed(tokens);
      AttentionMask mask =
          AttentionMask.causal(
              tokens.attentionMask(),
              tokens.tokens(),
              tokens.pastLength(),
              hidden.dtype(),
              hidden.device());
      Seq2SeqContext.Encoder encoder =
          Seq2SeqContext.Encoder.of(input, hidden.dtype(), hidden.device());
      Seq2SeqContext context = new Seq2SeqContext(mask, tokens.past(), tokens.trace(), encoder);
      Tensor result = run(hidden, context, recompute);
      EncoderDecoderCache past = input.past();
      if (past != null) {
        past.selfAttention().advance(tokens.tokens());
      }
      return scope.keep(result);
    }
  }

  private Tensor run(Tensor hidden, Seq2SeqContext context, boolean recompute) {
    Tensor result =
        LayerStack.run(kept(), hidden, context, recompute && isTraining(), BartLayer::forward);
    LayerTrace trace = context.trace();
    if (trace != null) {
      trace.hiddenState(result);
    }
    return result;
  }

  /** The layers of this pass: while training, each is left out with the probability layerdrop. */
  private List<BartLayer> kept() {
    List<BartLayer> all = layers.list();
    if (!isTraining() || layerdrop == 0) {
      return all;
    }
    float[] drawn = Creation.zeros(DType.FLOAT32, all.size()).uniformInPlace(0, 1).toFloats();
    return IntStream.range(0, drawn.length)
        .filter(i -> drawn[i] >= layerdrop)
        .mapToObj(all::get)
        .toList();
  }

  /** Vectors (b, t, e) of tokens at their places, normalised. */
  private Tensor embed(BackboneInput input) {
    try (TensorScope scope = TensorScope.open("embeddings")) {
      Tensor tokens = input.embedded(embedTokens.get());
      Tensor rows = LearnedPositions.rows(positions.of(input, tokens.device()));
      Tensor places = embedPositions.get().forward(rows);
      Tensor normed = norm.get().forward(tokens.add(places));
      return scope.keep(Dropouts.dropout(normed, isTraining() ? dropout : 0));
    }
  }
}
