package org.peftjava.transformers.model.opt;

import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModuleList;
import org.peftjava.torch.nn.Slot;
import org.peftjava.torch.nn.StackLayer;
import org.peftjava.transformers.model.AttentionMask;
import org.peftjava.transformers.model.BackboneInput;
import org.peftjava.transformers.model.DecoderContext;
import org.peftjava.transformers.model.InitialWeights;
import org.peftjava.transformers.model.KvCache;
import org.peftjava.transformers.model.LayerStack;
import org.peftjava.transformers.model.LayerTrace;
import org.peftjava.transformers.model.LearnedPositions;
import org.peftjava.transformers.model.Positions;

/**
 * Token and position embeddings, the stack of layers, and the last norm.
 *
 * <p>Reference: {@code OPTDecoder}; also its order of registration. Where the token embedding is
 * narrower than the hidden state (350m), linear maps lead in and out.
 */
final class OptDecoder extends Module {
  private final Slot<EmbeddingLayer> embedTokens;
  private final Slot<EmbeddingLayer> embedPositions;
  private final @Nullable Slot<LinearLayer> projectOut;
  private final @Nullable Slot<LinearLayer> projectIn;
  private final @Nullable Slot<Layer> finalLayerNorm;
  private final ModuleList<StackLayer<DecoderContext>> layers;
  private final OptConfig config;

  OptDecoder(OptConfig config, DType dtype) {
    this.config = config;
    long hidden = config.hiddenSize();
    long embedding = config.wordEmbedProjDim();
    embedTokens =
        child(
            "embed_tokens",
            EmbeddingLayer.class,
            new Embedding(config.vocabSize(), embedding, config.padTokenId(), dtype));
    embedPositions =
        child(
            "embed_positions",
            EmbeddingLayer.class,
            new LearnedPositions(config.maxPositionEmbeddings(), hidden, dtype));
    boolean projects = embedding != hidden;
    projectOut = projects ? projection("project_out", hidden, embedding, dtype) : null;
    projectIn = projects ? projection("project_in", embedding, hidden, dtype) : null;
    finalLayerNorm =
        config.doLayerNormBefore() && !config.removeFinalLayerNorm()
            ? child("final_layer_norm", Layer.class, OptDecoderLayer.norm(config, dtype))
            : null;
    layers = child("layers", new ModuleList<>(StackLayer.type()));
    for (int i = 0; i < config.numHiddenLayers(); i++) {
      layers.add(new OptDecoderLayer(config, i, dtype));
    }
    InitialWeights.declare(this, config.initStd());
  }

  private Slot<LinearLayer> projection(String name, long in, long out, DType dtype) {
    return child(name, LinearLayer.class, new Linear(in, out, false, dtype));
  }

  EmbeddingLayer tokens() {
    return embedTokens.get();
  }

  int outputSize() {
    return config.wordEmbedProjDim();
  }

  ModuleList<StackLayer<DecoderContext>> layers() {
    return layers;
  }

  /** Hidden states (b, t, {@link #outputSize()}) of the tokens given now. */
  Tensor forward(BackboneInput input, boolean recompute) {
    try (TensorScope scope = TensorScope.open("OptDecoder.forward")) {
      Tensor hidden = embed(input);
      AttentionMask mask =
          AttentionMask.causal(
              input.attentionMask(),
              input.tokens(),
              input.pastLength(),
              hidden.dtype(),
              hidden.device());
      DecoderContext context = new DecoderContext(mask, input.past(), input.trace());
      hidden =
          LayerStack.run(
              layers.list().stream().filter(layer -> !isDropped()).toList(),
              hidden,
              context,
              recompute,
              StackLayer::forward);
      KvCache past = input.past();
      if (past != null) {
        past.advance(input.tokens());
      }
      if (finalLayerNorm != null) {
        hidden = finalLayerNorm.get().forward(finalLayerNorm.bring(hidden));
      }
      Tensor result =
          projectOut == null ? hidden : projectOut.get().forward(projectOut.bring(hidden));
      LayerTrace trace = input.trace();
      if (trace != null) {
        trace.hiddenState(result);
      }
      return scope.keep(result);
    }
  }

  /** Token vectors plus position vectors: (b, t, hidden size), a fresh tensor. */
  private Tensor embed(BackboneInput input) {
    Tensor tokens = input.embedded(tokens());
    Tensor projected = projectIn == null ? tokens : projectIn.get().forward(tokens);
    return projected.add(positions(input));
  }

  private Tensor positions(BackboneInput input) {
    long past = input.pastLength();
    if (input.positionIds() == null && input.attentionMask() == null) {
      Positions.checkLength(past + input.tokens(), config.maxPositionEmbeddings());
      return embedPositions.get() instanceof LearnedPositions table
          ? table.range(past, input.tokens())
          : embedPositions.get().forward(LearnedPositions.rows(range(past, input)));
    }
    Tensor positions = Positions.of(input, config.maxPositionEmbeddings());
    return embedPositions.get().forward(LearnedPositions.rows(positions));
  }

  private static Tensor range(long past, BackboneInput input) {
    Tensor given = input.inputIds() != null ? input.inputIds() : input.inputsEmbeds();
    return Creation.arange(past, past + input.tokens(), Objects.requireNonNull(given).device());
  }

  /** LayerDrop (arXiv:1909.11556): while training, each layer is left out with this probability. */
  private boolean isDropped() {
    if (!isTraining() || config.layerdrop() == 0) {
      return false;
    }
    try (TensorScope scope = TensorScope.open("layerdrop")) {
      Tensor draw = Creation.zeros(DType.FLOAT32).uniformInPlace(0, 1);
      return draw.toDouble() < config.layerdrop();
    }
  }
}
