package org.peftjava.transformers.model;

import java.util.Optional;
import java.util.Set;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Dropouts;
import org.peftjava.torch.StepPlace;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Dropout;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModuleList;
import org.peftjava.torch.nn.RmsNorm;
import org.peftjava.torch.nn.Slot;
import org.peftjava.torch.nn.StackLayer;

/**
 * The backbone of Llama and its relatives: token embedding, layers whose attention rotates queries
 * and keys by position, and a last norm. What differs between the relatives is in their layers.
 *
 * <p>Reference: {@code LlamaModel}, {@code GPTNeoXModel}, {@code PhiModel}, {@code GPTJModel}.
 */
public final class RotaryDecoder extends Backbone {
  private final RotaryConfig config;
  private final Slot<EmbeddingLayer> embedTokens;
  private final ModuleList<StackLayer<RotaryContext>> layers;
  private final Slot<Layer> norm;
  private final String normName;
  private final RotaryEmbedding fullRotary;
  private final RotaryEmbedding slidingRotary;
  private final boolean slides;
  private final long window;

  /**
   * What the parts are called.
   *
   * @param embedding the token embedding
   * @param dropout that behind it, or null if it is no module
   * @param layers the list of layers
   * @param norm the last norm
   * @param rotary the module of the angles, or null if Python has none
   * @param normLast whether the norm is registered last, as in Phi; else the angles are
   */
  public record Names(
      String embedding,
      @Nullable String dropout,
      String layers,
      String norm,
      @Nullable String rotary,
      boolean normLast) {
    /** Those of Llama. */
    public static final Names LLAMA =
        new Names("embed_tokens", null, "layers", "norm", "rotary_emb", false);
  }

  /**
   * A backbone with Llama's names and without memory for its weights.
   *
   * @param embedding from tokens to hidden states
   * @param layer makes the layer of an index
   * @param norm the last one
   */
  public <E extends Module & EmbeddingLayer> RotaryDecoder(
      RotaryConfig config, E embedding, IntFunction<? extends RotaryLayer> layer, RmsNorm norm) {
    this(config, Names.LLAMA, embedding, layer, norm);
  }

  /** The same with other names, and another kind of norm. */
  public <E extends Module & EmbeddingLayer, N extends Module & Layer> RotaryDecoder(
      RotaryConfig config,
      Names names,
      E embedding,
      IntFunction<? extends RotaryLayer> layer,
      N norm) {
    this.config = config;
    slides = config.slides();
    window = config.window();
    normName = names.norm();
    embedTokens = child(names.embedding(), EmbeddingLayer.class, embedding);
    fullRotary = new RotaryEmbedding(config.rope(LayerType.FULL));
    layers = new ModuleList<>(StackLayer.type());
    if (names.normLast()) {
      child(names.layers(), layers);
      angles(names);
      dropout(names);
      this.norm = child(normName, Layer.class, norm);
    } else {
      dropout(names);
      child(names.layers(), layers);
      this.norm = child(normName, Layer.class, norm);
      angles(names);
    }
    for (int i = 0; i < config.numHiddenLayers(); i++) {
      layers.add(layer.apply(i));
    }
    RopeParameters sliding = config.rope(LayerType.SLIDING);
    slidingRotary =
        sliding.equals(config.rope(LayerType.FULL)) ? fullRotary : new RotaryEmbedding(sliding);
    InitialWeights.declare(this, config.initialStd());
  }

  private void angles(Names names) {
    if (names.rotary() != null) {
      child(names.rotary(), fullRotary);
    }
  }

  private void dropout(Names names) {
    if (names.dropout() != null) {
      child(names.dropout(), new Dropout(config.embeddingDropout()));
    }
  }

  @Override
  public Tensor forward(BackboneInput input) {
    try (TensorScope scope = TensorScope.open("RotaryDecoder.forward")) {
      Tensor hidden = embedded(input);
      RotaryContext context = context(input, hidden);
      hidden = LayerStack.run(layers.list(), hidden, context, recomputes(), StackLayer::forward);
      KvCache past = input.past();
      if (past != null && past.place() == null) {
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

  /** What the first layer gets (b, t, e): a tensor of this scope, which the stack may close. */
  private Tensor embedded(BackboneInput input) {
    Tensor tokens = embed(input);
    double scale = config.embeddingMultiplier();
    Tensor scaled = scale == 1 ? tokens : tokens.mul(scale);
    return isTraining() ? Dropouts.dropout(scaled, config.embeddingDropout()) : scaled;
  }

  /** Token vectors (b, t, e), or those given in their place. */
  private Tensor embed(BackboneInput input) {
    Tensor tokens = input.embedded(inputEmbeddings());
    return input.inputsEmbeds() == null ? tokens : tokens.alias();
  }

  private RotaryContext context(BackboneInput input, Tensor hidden) {
    DType dtype = hidden.dtype();
    Device device = hidden.device();
    KvCache past = input.past();
    StepPlace place = past == null ? null : past.place();
    if (past != null && place != null) {
      RotaryContext.Shared full =
          RotaryContext.Shared.of(place, fullRotary.table(past, place, dtype, device));
      RotaryContext.Shared sliding =
          slidingRotary == fullRotary
              ? full
              : RotaryContext.Shared.of(place, slidingRotary.table(past, place, dtype, device));
      return new RotaryContext(full, sliding, past, input.trace());
    }
    AttentionMask causal =
        AttentionMask.causal(
            input.attentionMask(), input.tokens(), input.pastLength(), dtype, device);
    RotaryContext.Shared full =
        new RotaryContext.Shared(
            causal,
            fullRotary.forward(input, dtype, device),
            fullRotary.counted(input, dtype, device));
    RotaryContext.Shared sliding = slides ? sliding(input, dtype, device, full) : full;
    return new RotaryContext(full, sliding, input.past(), input.trace());
  }

  private RotaryContext.Shared sliding(
      BackboneInput input, DType dtype, Device device, RotaryContext.Shared full) {
    AttentionMask mask =
        AttentionMask.sliding(
            full.mask(),
            window,
            input.attentionMask(),
            input.tokens(),
            input.pastLength(),
            dtype,
            device);
    return slidingRotary == fullRotary
        ? new RotaryContext.Shared(mask, full.rotation(), full.counted())
        : new RotaryContext.Shared(
            mask,
            slidingRotary.forward(input, dtype, device),
            slidingRotary.counted(input, dtype, device));
  }

  @Override
  public Set<String> movableChildren() {
    return Set.of(normName);
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
  public boolean takesPlaces() {
    return true;
  }

  @Override
  public int cachedLayers() {
    return layers.list().size();
  }
}
