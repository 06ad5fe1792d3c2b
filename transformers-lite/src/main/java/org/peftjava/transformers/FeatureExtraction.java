package org.peftjava.transformers;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.Architecture;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.BackboneInput;
import org.peftjava.transformers.model.LayerTrace;
import org.peftjava.transformers.model.Task;

/**
 * A model without head, whose output is the hidden states: {@code BertModel} and the like. Its
 * module tree is the backbone itself, so that the names of its weights have no prefix.
 */
public final class FeatureExtraction implements CheckpointModel {
  private PretrainedConfig config;
  private final Architecture architecture;
  private final Backbone backbone;
  private final Ties ties;
  private final AdapterSlot adapters = new AdapterSlot(this);

  FeatureExtraction(PretrainedConfig config, DType dtype) {
    this.config = config;
    architecture = TaskCheck.architecture(config, Task.FEATURE_EXTRACTION);
    backbone = architecture.backbone(config, Task.FEATURE_EXTRACTION, dtype);
    ties = new Ties(backbone, backbone.ties());
  }

  @Override
  public ModelOutput forward(ModelInput input) {
    TaskCheck.input(input, architecture);
    if (input.labels() != null) {
      throw new IllegalArgumentException(
          "labels are given, but a model without head has no loss. Load it with the AutoModel class"
              + " of a task.");
    }
    if (!input.outputHiddenStates() && !input.outputAttentions()) {
      return forward(input, null).on(backbone.inputDevice());
    }
    try (LayerTrace trace = new LayerTrace(input.outputHiddenStates(), input.outputAttentions())) {
      return forward(input, trace)
          .with(trace.takeHiddenStates(), trace.takeAttentions())
          .on(backbone.inputDevice());
    }
  }

  private ModelOutput forward(ModelInput input, @Nullable LayerTrace trace) {
    try (ModelAdapters.Pass pass = adapters.run();
        TensorScope scope = TensorScope.open("FeatureExtraction.forward")) {
      BackboneInput in = input.to(device()).backboneInput(trace);
      Tensor hidden = scope.keep(backbone.forward(in));
      Optional<Tensor> pooled = backbone.pooled(hidden).map(scope::keep);
      return ModelOutput.ofBackbone(hidden, pooled);
    }
  }

  @Override
  public void configure(ConfigJson json) {
    PretrainedConfig changed = architecture.config(json);
    config = config.nameOrPath().map(changed::withNameOrPath).orElse(changed);
  }

  @Override
  public PretrainedConfig config() {
    return config;
  }

  @Override
  public Architecture architecture() {
    return architecture;
  }

  @Override
  public Task task() {
    return Task.FEATURE_EXTRACTION;
  }

  /** The module tree: the backbone. */
  @Override
  public Backbone module() {
    return backbone;
  }

  @Override
  public Backbone backbone() {
    return backbone;
  }

  @Override
  public String backboneName() {
    return "";
  }

  @Override
  public AdapterSlot adapters() {
    return adapters;
  }

  @Override
  public Ties ties() {
    return ties;
  }

  @Override
  public void close() {
    adapters.close(backbone::close);
  }
}
