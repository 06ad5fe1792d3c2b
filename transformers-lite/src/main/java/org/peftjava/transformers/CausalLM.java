package org.peftjava.transformers;

import java.util.Optional;
import java.util.OptionalDouble;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.generation.GenerateOptions;
import org.peftjava.transformers.generation.GenerateOutput;
import org.peftjava.transformers.generation.GenerationConfig;
import org.peftjava.transformers.model.BackboneInput;
import org.peftjava.transformers.model.Head;
import org.peftjava.transformers.model.KvCache;
import org.peftjava.transformers.model.LayerTrace;
import org.peftjava.transformers.model.Task;
import org.peftjava.transformers.tokenizer.TokenBatch;

/**
 * A backbone with a language-model head, which makes hidden states logits of the next token. The
 * head may share its weight with the token embedding.
 */
public final class CausalLM extends TaskModel implements CausalLanguageModel {
  private final Head head;
  private GenerationConfig generationConfig;

  /** A model without memory for its weights: {@link #initialize} it, or load a state dict. */
  CausalLM(PretrainedConfig config, GenerationConfig generationConfig, DType dtype) {
    super(config, Task.CAUSAL_LM, dtype);
    this.generationConfig = generationConfig;
    head = addHead(dtype);
  }

  @Override
  ModelOutput forward(ModelInput input, @Nullable LayerTrace trace) {
    try (TensorScope scope = TensorScope.open("CausalLM.forward")) {
      LabelCheck.eachToken(input);
      BackboneInput in = input.backboneInput(trace);
      Tensor hidden = backbone().forward(in);
      Optional<Tensor> logits = Optional.empty();
      Optional<Tensor> loss = Optional.empty();
      Tensor labels = input.labels();
      if (labels == null || input.outputLogits()) {
        logits = Optional.of(scope.keep(logits(lastPositions(hidden, input), in)));
      }
      if (labels != null) {
        NextTokenLoss next = NextTokenLoss.of(labels, input);
        loss =
            Optional.of(
                scope.keep(
                    logits.isPresent() ? next.ofLogits(logits.get()) : lossOf(next, hidden, in)));
      }
      return new ModelOutput(loss, logits);
    }
  }

  private Tensor logits(Tensor hidden, BackboneInput input) {
    Tensor logits = head.logits(backbone(), hidden, input);
    OptionalDouble cap = config().finalLogitSoftcapping();
    return cap.isPresent()
        ? Ops.tanh(logits.div(cap.getAsDouble())).mul(cap.getAsDouble())
        : logits;
  }

  private Tensor lossOf(NextTokenLoss next, Tensor hidden, BackboneInput input) {
    Optional<Slot<LinearLayer>> projection = head.projection();
    return projection.isEmpty() || config().finalLogitSoftcapping().isPresent()
        ? next.ofLogits(logits(hidden, input))
        : next.ofHidden(projection.get().bring(hidden), projection.get().get());
  }

  private static Tensor lastPositions(Tensor hidden, ModelInput input) {
    long tokens = hidden.size(1);
    long kept = input.logitsToKeep();
    return kept == 0 || kept >= tokens ? hidden : hidden.narrow(1, tokens - kept, kept);
  }

  @Override
  public GenerateOutput generateOutput(
      TokenBatch batch, Consumer<GenerationConfig.Builder> settings, GenerateOptions options) {
    try (ModelAdapters.Pass generation = adapters().generation()) {
      return CausalLanguageModel.super.generateOutput(batch, settings, options);
    }
  }

  @Override
  public GenerationConfig generationConfig() {
    return generationConfig;
  }

  /** Changes the defaults of {@link #generate}. */
  public void generationConfig(GenerationConfig settings) {
    generationConfig = settings;
  }

  @Override
  public CausalLM module() {
    return this;
  }

  /** Whether head and token embedding are one weight. */
  public boolean isTied() {
    return !ties().tied().isEmpty();
  }

  @Override
  public Optional<GenerationConfig> savedGenerationConfig() {
    return Optional.of(generationConfig);
  }

  /** A language model without its head is of no use: none may be missing. */
  @Override
  public boolean mayBeNew(String name) {
    return false;
  }

  @Override
  public Optional<RepeatedPasses> repeatedPasses() {
    return backbone().takesPlaces() && !isTraining() ? Optional.of(adapters()) : Optional.empty();
  }

  @Override
  public KvCache newCache(long capacity) {
    return new KvCache(backbone().cachedLayers(), capacity);
  }
}
