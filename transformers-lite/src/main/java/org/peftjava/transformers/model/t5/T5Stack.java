package org.peftjava.transformers.model.t5;

import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Layer;
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
import org.peftjava.transformers.model.Seq2SeqContext;

/**
 * Token embedding, layers and the last norm: the encoder, or the decoder.
 *
 * <p>Reference: {@code T5Stack}. There are no position embeddings; {@link RelativePositions} are
 * computed once per pass for all layers.
 */
final class T5Stack extends Module {
  private static final String POSITION_BIAS = "position bias";

  private final Slot<EmbeddingLayer> embedTokens;
  private final ModuleList<T5Block> blocks;
  private final Slot<Layer> finalLayerNorm;
  private final RelativePositions positions;
  private final double dropout;
  private final boolean decoder;

  /** An encoder or decoder whose token embedding is the parameter {@code shared}. */
  T5Stack(T5Config config, boolean decoder, Parameter shared, DType dtype) {
    this.decoder = decoder;
    dropout = config.dropoutRate();
    Embedding table = new Embedding(config.vocabSize(), config.dModel(), dtype);
    table.share("weight", shared);
    embedTokens = child("embed_tokens", EmbeddingLayer.class, table);
    blocks = child("block", new ModuleList<>(T5Block.class));
    int layers = decoder ? config.numDecoderLayers() : config.numLayers();
    for (int layer = 0; layer < layers; layer++) {
      blocks.add(new T5Block(config, layer, decoder, dtype));
    }
    finalLayerNorm = child("final_layer_norm", Layer.class, new T5LayerNorm(config, dtype));
    positions = RelativePositions.of(config, blocks.list().get(0).selfAttention(), !decoder);
  }

  /** The encoder's hidden states (b, t, e), owned by the current scope. */
  Tensor encode(BackboneInput input, boolean recompute) {
    try (TensorScope scope = TensorScope.open("encoder")) {
      Tensor hidden = embed(input);
      Tensor bias = positions.bias(input.tokens(), input.tokens(), hidden.device());
      AttentionMask mask =
          AttentionMask.bidirectional(input.attentionMask(), bias.dtype(), bias.device())
              .biased(bias);
      return scope.keep(
          run(hidden, new Seq2SeqContext(mask, null, input.trace(), null), recompute));
    }
  }

  /** The decoder's hidden states (b, t, e), owned by the current scope. */
  Tensor decode(DecoderInput input, boolean recompute) {
    try (TensorScope scope = TensorScope.open("decoder")) {
      BackboneInput tokens = input.tokens();
      EncoderDecoderCache past = input.past();
      Tensor hidden = embed(tokens);
      Tensor bias = decoderBias(hidden, past);
      // the bias is minus infinity for tokens to come; what is left is padding
      AttentionMask mask =
          AttentionMask.bidirectional(tokens.attentionMask(), bias.dtype(), bias.device())
              .biased(bias);
      Seq2SeqContext.Encoder encoder =
          Seq2SeqContext.Encoder.of(input, bias.dtype(), bias.device());
      Seq2SeqContext context = new Seq2SeqContext(mask, tokens.past(), tokens.trace(), encoder);
      Tensor result = run(hidden, context, recompute);
      if (past != null) {
        past.selfAttention().advance(tokens.tokens());
      }
      return scope.keep(result);
    }
  }

  private Tensor run(Tensor hidden, Seq2SeqContext context, boolean recompute) {
    Tensor last =
        LayerStack.run(blocks.list(), hidden, context, recompute && isTraining(), T5Block::forward);
    Tensor result = dropout(finalLayerNorm.get().forward(finalLayerNorm.bring(last)));
    LayerTrace trace = context.trace();
    if (trace != null) {
      trace.hiddenState(result);
    }
    return result;
  }

  /** Token vectors (b, t, e), a fresh handle. */
  private Tensor embed(BackboneInput input) {
    Tensor given = input.inputsEmbeds();
    EmbeddingLayer table = embedTokens.get();
    if (given == null) {
      return dropout(table.forward(Objects.requireNonNull(input.inputIds())));
    }
    if (given.size(-1) != table.embeddingDim()) {
      throw new IllegalArgumentException(
          (decoder ? "decoderInputsEmbeds" : "inputsEmbeds")
              + " have shape "
              + given.shape()
              + ". Expected vectors of size "
              + table.embeddingDim()
              + ", as the model's token embedding has.");
    }
    return dropout(given.alias());
  }

  private Tensor dropout(Tensor x) {
    return isTraining() ? Dropouts.dropout(x, dropout) : x;
  }

  /**
   * The bias (1, h, t, s) of the decoder's tokens. While one token after the other is decoded, it
   * is a slice of a row that is kept.
   */
  private Tensor decoderBias(Tensor hidden, @Nullable EncoderDecoderCache past) {
    long tokens = hidden.size(1);
    long all = tokens + (past == null ? 0 : past.length());
    if (past == null || tokens > 1) {
      return positions.bias(tokens, all, hidden.device());
    }
    Tensor row = past.constant(POSITION_BIAS);
    if (row == null || row.size(3) < all) {
      long room = Math.max(row == null ? past.selfAttention().capacity() : 2 * row.size(3), all);
      // gapless, as the attention kernel wants it
      row = past.keep(POSITION_BIAS, positions.bias(1, room, hidden.device()).contiguous());
    }
    return row.narrow(3, row.size(3) - all, all);
  }
}
