package org.peftjava.transformers.model.bert;

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
import org.peftjava.transformers.model.Head;
import org.peftjava.transformers.model.HeadParts;
import org.peftjava.transformers.model.ModuleRoles;
import org.peftjava.transformers.model.PositionIds;
import org.peftjava.transformers.model.Predictions;
import org.peftjava.transformers.model.StandardHeads;
import org.peftjava.transformers.model.Task;

/** BERT: bidirectional encoder representations from transformers, arXiv:1810.04805. */
public final class BertArchitecture implements Architecture {
  private static final ModuleRoles ROLES =
      new ModuleRoles(
          List.of("query", "value"),
          List.of("query", "key", "value", "attention.output.dense"),
          List.of("intermediate.dense", "output.dense"),
          List.of("output.dense"),
          "word_embeddings",
          "cls.predictions.decoder");

  @Override
  public String modelType() {
    return BertConfig.MODEL_TYPE;
  }

  @Override
  public String causalLmClass() {
    return "BertLMHeadModel";
  }

  @Override
  public String parentLibrary() {
    return "transformers.models.bert.modeling_bert";
  }

  @Override
  public String baseModelPrefix() {
    return "bert";
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
    return BertConfig.of(json);
  }

  @Override
  public Backbone backbone(PretrainedConfig config, DType dtype) {
    return backbone(config, Task.FEATURE_EXTRACTION, dtype);
  }

  @Override
  public Backbone backbone(PretrainedConfig config, Task task, DType dtype) {
    BertConfig bert = bert(config);
    boolean pools = task == Task.FEATURE_EXTRACTION || task == Task.SEQUENCE_CLASSIFICATION;
    return new EncoderModel(bert, PositionIds.of(bert), pools, dtype);
  }

  @Override
  public Head head(Task task, HeadParts parts) {
    BertConfig config = bert(parts.config());
    return EncoderHeads.of(
        task,
        config.classifierDropout(),
        /* spanDropout= */ 0,
        () -> StandardHeads.pooled("classifier", config.classifierDropout(), parts),
        () -> Predictions.head(config, config.hiddenSize(), parts),
        parts);
  }

  private static BertConfig bert(PretrainedConfig config) {
    if (config instanceof BertConfig bert) {
      return bert;
    }
    throw new IllegalArgumentException(
        "A BERT model needs a BertConfig, got " + config.getClass().getSimpleName() + ".");
  }
}
