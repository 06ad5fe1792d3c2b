package org.peftjava.transformers.model;

import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.IntFunction;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModuleList;
import org.peftjava.torch.nn.RmsNorm;
import org.peftjava.torch.nn.Slot;

/**
 * The backbone of Llama and its relatives: token embedding, layers whose attention rotates queries
 * and keys by position, and a last norm. What differs between the relatives is in their layers.
 *
 * <p>Reference: {@code LlamaModel}; also its names and their order.
 */
public final class RotaryDecoder extends Backbone {
  private final RotaryConfig config;
  private final Slot<EmbeddingLayer> embedTokens;
  private final ModuleList<RotaryDecoderLayer> layers;
  private final Slot<Layer> norm;
  private final RotaryEmbedding fullRotary;
  private final RotaryEmbedding slidingRotary;
  private final boolean slides;
  private final long window;

  /**
   * A backbone without memory for its weights.
   *
   * @param embedding from tokens to hidden states
   * @param layer makes the layer of an index
   * @param norm the last one
   */
  public <E extends Module & EmbeddingLayer> RotaryDecoder(
      RotaryConfig config, E embedding, IntFunction<RotaryDecoderLayer> layer, RmsNorm norm) {
    this.config = config;
    slides = config.slides();
    window = config.window();
    embedTokens = child("embed_tokens", EmbeddingLayer.class, embedding);
    layers = child("layers", new ModuleList<>(RotaryDecoderLayer.class));
    for (int i = 0; i < config.numHiddenLayers(); i++) {
      layers.add(layer.apply(i));
    }
    this.norm = child("norm", Layer.class, norm);
    fullRotary = child("rotary_emb", new RotaryEmbedding(config.rope(LayerType.FULL)));
    RopeParameters sliding = config.rope(LayerType.SLIDING);
    slidingRotary =
        sliding.equals(config.rope(LayerType.FULL)) ? fullRotary : new RotaryEmbedding(sliding);
    InitialWeights.declare(this, config.initialStd());
  }

  @Override
  public Tensor forward(BackboneInput input) {
    try (TensorScope scope = TensorScope.open("RotaryDecoder.forward")) {
      Tensor hidden = embed(input);
      RotaryContext context = context(input, hidden);
      hidden =
          LayerStack.run(layers.list(), hidden, context, recomputes(), RotaryDecoderLayer::forward);
      KvCache past = input.past();
      if (past != null) {
        past.advance(input.tokens());
      }
      Tensor result = norm.get().forward(norm.bring(hidden));
      LayerTrace trace = input.trace();
      if (trace != null) {
        trace.hiddenState(result);
      }
      return scope.keep(result);
    }
  }

  /** Token vectors (b, t, e), a tensor of this scope, which the stack may close. */
  private Tensor embed(BackboneInput input) {
    Tensor given = input.inputsEmbeds();
    if (given == null) {
      return inputEmbeddings().forward(Objects.requireNonNull(input.inputIds()));
    }
    if (given.size(-1) != config.hiddenSize()) {
      throw new IllegalArgumentException(
          "inputsEmbeds have shape "
              + given.shape()
              + ". Expected vectors of size "
              + config.hiddenSize()
              + ", as the model's token embedding has.");
    }
    return given.alias();
  }

  private RotaryContext context(BackboneInput input, Tensor hidden) {
    AttentionMask causal =
        AttentionMask.causal(
            input.attentionMask(),
            input.tokens(),
            input.pastLength(),
            hidden.dtype(),
            hidden.device());
    Rotation rotation = fullRotary.forward(input, hidden.dtype(), hidden.device());
    RotaryContext.Shared full = new RotaryContext.Shared(causal, rotation);
    return new RotaryContext(full, sliding(input, hidden, full), input.past(), input.trace());
  }

  private RotaryContext.Shared sliding(
      BackboneInput input, Tensor hidden, RotaryContext.Shared full) {
    if (!slides) {
      return full;
    }
    AttentionMask mask =
        AttentionMask.sliding(
            full.mask(),
            window,
            input.attentionMask(),
            input.tokens(),
            input.pastLength(),
            hidden.dtype(),
            hidden.device());
    Rotation rotation =
        slidingRotary == fullRotary
            ? full.rotation()
            : slidingRotary.forward(input, hidden.dtype(), hidden.device());
    return new RotaryContext.Shared(mask, rotation);
  }

  @Override
  public Set<String> movableChildren() {
    return Set.of("norm");
  }

  @Override
  public EmbeddingLayer inputEmbeddings() {
    return embedTokens.get();
  }

  @Override
  public int outputSize() {
    return config.hiddenSize();
  }

  @Override
  public Optional<ModuleList<?>> layerList() {
    return Optional.of(layers);
  }

  @Override
  public int cachedLayers() {
    return layers.list().size();
  }
}
