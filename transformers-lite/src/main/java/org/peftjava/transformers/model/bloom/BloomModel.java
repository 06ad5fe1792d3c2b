package org.peftjava.transformers.model.bloom;

import java.util.Optional;
import java.util.Set;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.ModuleList;
import org.peftjava.torch.nn.Slot;
import org.peftjava.torch.nn.StackLayer;
import org.peftjava.transformers.model.AttentionMask;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.BackboneInput;
import org.peftjava.transformers.model.DecoderContext;
import org.peftjava.transformers.model.InitialWeights;
import org.peftjava.transformers.model.KvCache;
import org.peftjava.transformers.model.LayerStack;
import org.peftjava.transformers.model.LayerTrace;

/**
 * Token embedding with a norm, the stack of layers, and the last norm.
 *
 * <p>Reference: {@code BloomModel}. Positions act through {@link Alibi} alone, so {@code
 * position_ids} are not looked at.
 */
public final class BloomModel extends Backbone {
  private final Slot<EmbeddingLayer> wordEmbeddings;
  private final Slot<Layer> wordEmbeddingsLayernorm;
  private final ModuleList<StackLayer<DecoderContext>> h;
  private final Slot<Layer> lnF;
  private final BloomConfig config;
  private final Alibi alibi;

  /** A model without memory for its weights. */
  public BloomModel(BloomConfig config, DType dtype) {
    this.config = config;
    alibi = new Alibi(config.nHead());
    wordEmbeddings =
        child(
            "word_embeddings",
            EmbeddingLayer.class,
            new Embedding(config.vocabSize(), config.hiddenSize(), dtype));
    wordEmbeddingsLayernorm =
        child("word_embeddings_layernorm", Layer.class, BloomBlock.norm(config, dtype));
    h = child("h", new ModuleList<>(StackLayer.type()));
    for (int i = 0; i < config.numHiddenLayers(); i++) {
      h.add(new BloomBlock(config, i, dtype));
    }
    lnF = child("ln_f", Layer.class, BloomBlock.norm(config, dtype));
    InitialWeights.declare(this, config.initialStd());
  }

  @Override
  public Tensor forward(BackboneInput input) {
    try (TensorScope scope = TensorScope.open("BloomModel.forward")) {
      Tensor hidden = embed(input);
      DecoderContext context = new DecoderContext(mask(input, hidden), input.past(), input.trace());
      hidden = LayerStack.run(h.list(), hidden, context, recomputes(), StackLayer::forward);
      KvCache past = input.past();
      if (past != null) {
        past.advance(input.tokens());
      }
      Tensor result = lnF.get().forward(lnF.bring(hidden));
      LayerTrace trace = input.trace();
      if (trace != null) {
        trace.hiddenState(result);
      }
      return scope.keep(result);
    }
  }

  /** Normed token vectors: (b, t, e). */
  private Tensor embed(BackboneInput input) {
    return wordEmbeddingsLayernorm.get().forward(input.embedded(wordEmbeddings.get()));
  }

  private AttentionMask mask(BackboneInput input, Tensor hidden) {
    try (TensorScope scope = TensorScope.open("mask")) {
      AttentionMask causal =
          AttentionMask.causal(
              input.attentionMask(),
              input.tokens(),
              input.pastLength(),
              hidden.dtype(),
              hidden.device());
      AttentionMask biased = causal.biased(alibi.bias(input, hidden.dtype(), hidden.device()));
      biased.tensors().forEach(scope::keep);
      return biased;
    }
  }

  @Override
  public Set<String> movableChildren() {
    return Set.of("ln_f");
  }

  @Override
  public EmbeddingLayer inputEmbeddings() {
    return wordEmbeddings.get();
  }

  @Override
  public int outputSize() {
    return config.hiddenSize();
  }

  @Override
  public Optional<ModuleList<?>> layerList() {
    return Optional.of(h);
  }

  @Override
  public int cachedLayers() {
    return h.list().size();
  }
}
