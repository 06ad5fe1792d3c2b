package org.peftjava.transformers.model.gpt2;

import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Conv1D;
import org.peftjava.torch.nn.Dropout;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.Module;
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
import org.peftjava.transformers.model.Positions;

/**
 * Token and position embeddings, the stack of layers, and the last norm.
 *
 * <p>Reference: {@code GPT2Model}. Positions are counted from the mask, as {@code generate} counts
 * them in Python.
 */
public final class Gpt2Model extends Backbone {
  private final Slot<EmbeddingLayer> wte;
  private final Slot<EmbeddingLayer> wpe;
  private final Dropout drop;
  private final ModuleList<StackLayer<DecoderContext>> h;
  private final Slot<Layer> lnF;
  private final Gpt2Config config;

  /** A model without memory for its weights. */
  public Gpt2Model(Gpt2Config config, DType dtype) {
    this.config = config;
    long size = config.hiddenSize();
    wte = child("wte", EmbeddingLayer.class, new Embedding(config.vocabSize(), size, dtype));
    wpe = child("wpe", EmbeddingLayer.class, new Embedding(config.nPositions(), size, dtype));
    drop = child("drop", new Dropout(config.embdPdrop()));
    h = child("h", new ModuleList<>(StackLayer.type()));
    for (int i = 0; i < config.numHiddenLayers(); i++) {
      h.add(new Gpt2Block(config, i, dtype));
    }
    lnF = child("ln_f", Layer.class, Gpt2Block.norm(config, dtype));
    InitialWeights.declare(this, config.initialStd());
    declareProducts();
  }

  /** What leads back into the residual stream starts smaller, the deeper the model. */
  private void declareProducts() {
    double std = config.initialStd();
    double last = std / Math.sqrt(2.0 * config.numHiddenLayers());
    for (Map.Entry<String, Module> entry : namedModules().entrySet()) {
      if (entry.getValue() instanceof Conv1D product) {
        product.weight().init(Init.normal(entry.getKey().endsWith("c_proj") ? last : std));
      }
    }
  }

  @Override
  public Tensor forward(BackboneInput input) {
    try (TensorScope scope = TensorScope.open("Gpt2Model.forward")) {
      Tensor hidden = embed(input);
      AttentionMask mask =
          AttentionMask.causal(
              input.attentionMask(),
              input.tokens(),
              input.pastLength(),
              hidden.dtype(),
              hidden.device());
      DecoderContext context = new DecoderContext(mask, input.past(), input.trace());
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

  /** Token vectors plus position vectors: (b, t, e), a fresh tensor. */
  private Tensor embed(BackboneInput input) {
    Tensor tokens = input.embedded(wte.get());
    return drop.forward(tokens.add(positions(input, tokens)));
  }

  private Tensor positions(BackboneInput input, Tensor tokens) {
    if (input.positionIds() != null || input.attentionMask() != null) {
      // padding, -1, gets any vector: nobody looks at it
      return wpe.get().forward(Ops.relu(Positions.of(input, config.nPositions())));
    }
    long start = input.pastLength();
    long end = start + input.tokens();
    Positions.checkLength(end, config.nPositions());
    return wpe.get() instanceof Embedding table
        ? table.table().tensor().narrow(0, start, input.tokens())
        : wpe.get().forward(Creation.arange(start, end, tokens.device()));
  }

  @Override
  public Set<String> movableChildren() {
    return Set.of("ln_f");
  }

  @Override
  public EmbeddingLayer inputEmbeddings() {
    return wte.get();
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
