package org.peftjava.transformers.model.electra;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.peftjava.torch.DType;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.Architecture;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.EncoderHeads;
import org.peftjava.transformers.model.EncoderModel;
import org.peftjava.transformers.model.FirstTokenClassifier;
import org.peftjava.transformers.model.Head;
import org.peftjava.transformers.model.HeadParts;
import org.peftjava.transformers.model.ModuleRoles;
import org.peftjava.transformers.model.PositionIds;
import org.peftjava.transformers.model.Task;

/** ELECTRA: BERT trained to tell replaced tokens, arXiv:2003.10555. */
public final class ElectraArchitecture implements Architecture {
  private static final ModuleRoles ROLES =
      new ModuleRoles(
          List.of("query", "value"),
          List.of("query", "key", "value", "attention.output.dense"),
          List.of("intermediate.dense", "output.dense"),
          List.of("output.dense"),
          "word_embeddings",
          "generator_lm_head");

  @Override
  public String modelType() {
    return ElectraConfig.MODEL_TYPE;
  }

  @Override
  public String causalLmClass() {
    return "ElectraForCausalLM";
  }

  @Override
  public String parentLibrary() {
    return "transformers.models.electra.modeling_electra";
  }

  @Override
  public String baseModelPrefix() {
    return "electra";
  }

  @Override
  public ModuleRoles roles() {
    return ROLES;
  }

  @Override
  public boolean hasTokenTypes() {
    return true;
  }

  @Override
  public Set<Task> tasks() {
    return EnumSet.of(
        Task.FEATURE_EXTRACTION,
        Task.CAUSAL_LM,
        Task.MASKED_LM,
        Task.SEQUENCE_CLASSIFICATION,
        Task.TOKEN_CLASSIFICATION,
        Task.QUESTION_ANSWERING);
  }

  @Override
  public PretrainedConfig config(ConfigJson json) {
    return ElectraConfig.of(json);
  }

  @Override
  public Backbone backbone(PretrainedConfig config, DType dtype) {
    return backbone(config, Task.FEATURE_EXTRACTION, dtype);
  }

  @Override
  public Backbone backbone(PretrainedConfig config, Task task, DType dtype) {
    ElectraConfig electra = electra(config);
    return new EncoderModel(electra, PositionIds.of(electra), /* addPoolingLayer= */ false, dtype);
  }

  @Override
  public Head head(Task task, HeadParts parts) {
    ElectraConfig config = electra(parts.config());
    return EncoderHeads.of(
        task,
        config.classifierDropout(),
        /* spanDropout= */ 0,
        () -> FirstTokenClassifier.head("gelu", config.classifierDropout(), parts),
        () -> ElectraHeads.generator(config, parts),
        parts);
  }

  private static ElectraConfig electra(PretrainedConfig config) {
    if (config instanceof ElectraConfig electra) {
      return electra;
    }
    throw new IllegalArgumentException(
        "An ELECTRA model needs an ElectraConfig, got " + config.getClass().getSimpleName() + ".");
  }
}
