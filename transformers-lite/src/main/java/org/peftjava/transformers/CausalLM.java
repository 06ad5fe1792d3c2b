package org.peftjava.transformers;

import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.generation.GenerationConfig;
import org.peftjava.transformers.model.Architecture;
import org.peftjava.transformers.model.Architectures;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.InitialWeights;
import org.peftjava.transformers.model.KvCache;

/**
 * A backbone with a language-model head: hidden states times the head's weight are the logits of
 * the next token.
 *
 * <p>One class for all architectures; the backbone's name ("model" in OPT) comes from the {@link
 * Architecture}, so that the names of all weights are Python's. The head may share its weight with
 * the token embedding.
 */
public final class CausalLM extends Module implements CausalLanguageModel {
  /** The head's name in checkpoint files, for every architecture. */
  static final String HEAD = "lm_head";

  private final Architecture architecture;
  private final Slot<Backbone> backbone;
  private final Slot<LinearLayer> lmHead;
  private final PretrainedConfig config;
  private GenerationConfig generationConfig;

  /** A model without memory for its weights: {@link #initialize} it, or load a state dict. */
  CausalLM(PretrainedConfig config, GenerationConfig generationConfig, DType dtype) {
    this.config = config;
    this.generationConfig = generationConfig;
    architecture = Architectures.get(config.modelType());
    Backbone body = architecture.backbone(config, dtype);
    Linear head = new Linear(body.outputSize(), config.vocabSize(), false, dtype);
    InitialWeights.declare(head, config.initialStd());
    backbone = child(architecture.baseModelPrefix(), Backbone.class, body);
    lmHead = child(HEAD, LinearLayer.class, head);
    if (config.tieWordEmbeddings()) {
      head.share("weight", body.inputEmbeddings().table());
    }
  }

  @Override
  public ModelOutput forward(ModelInput input) {
    try (TensorScope scope = TensorScope.open("CausalLM.forward")) {
      Tensor hidden = backbone.get().forward(input.backboneInput());
      Optional<Tensor> logits = Optional.empty();
      Optional<Tensor> loss = Optional.empty();
      Tensor labels = input.labels();
      if (labels == null || input.outputLogits()) {
        logits = Optional.of(scope.keep(lmHead.get().forward(lastPositions(hidden, input))));
      }
      if (labels != null) {
        NextTokenLoss next = NextTokenLoss.of(labels, input.lossDivisor());
        loss =
            Optional.of(
                scope.keep(
                    logits.isPresent()
                        ? next.ofLogits(logits.get())
                        : next.ofHidden(hidden, lmHead.get())));
      }
      return new ModelOutput(loss, logits);
    }
  }

  private static Tensor lastPositions(Tensor hidden, ModelInput input) {
    long tokens = hidden.size(1);
    long kept = input.logitsToKeep();
    return kept == 0 || kept >= tokens ? hidden : hidden.narrow(1, tokens - kept, kept);
  }

  @Override
  public PretrainedConfig config() {
    return config;
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
  public Architecture architecture() {
    return architecture;
  }

  @Override
  public CausalLM module() {
    return this;
  }

  /** The stack below the head. */
  public Backbone backbone() {
    return backbone.get();
  }

  /** Whether head and token embedding are one weight. */
  public boolean isTied() {
    return lmHead.get() instanceof Linear head
        && head.weight() == backbone.get().inputEmbeddings().table();
  }

  /** The full name of the token embedding's weight. */
  String tableName() {
    Parameter table = backbone.get().inputEmbeddings().table();
    return namedState().entrySet().stream()
        .filter(entry -> entry.getValue() == table)
        .map(Map.Entry::getKey)
        .findFirst()
        .orElseThrow();
  }

  /** Gives the head a weight of its own, without values. */
  void untie() {
    if (isTied() && lmHead.get() instanceof Linear head) {
      Parameter shared = head.weight();
      head.share("weight", new Parameter(shared.shape(), shared.dtype(), Init.zeros()));
    }
  }

  @Override
  public Device device() {
    Parameter table = backbone.get().inputEmbeddings().table();
    return table.isMaterialized() ? table.tensor().device() : Device.CPU;
  }

  @Override
  public DType dtype() {
    return backbone.get().inputEmbeddings().table().dtype();
  }

  @Override
  public KvCache newCache(long capacity) {
    return new KvCache(backbone.get().cachedLayers(), capacity);
  }

  @Override
  public void gradientCheckpointing(boolean on) {
    backbone.get().gradientCheckpointing(on);
  }

  @Override
  public void savePretrained(Path folder) {
    savePretrained(folder, options -> {});
  }

  /** The same with options, such as {@code maxShardSize("5GB")}. */
  public void savePretrained(Path folder, Consumer<SaveOptions.Builder> options) {
    PretrainedFiles.save(this, folder, SaveOptions.of(options));
  }

  @Override
  public void loadWeights(Path folder) {
    PretrainedWeights.copyInto(this, folder);
  }
}
