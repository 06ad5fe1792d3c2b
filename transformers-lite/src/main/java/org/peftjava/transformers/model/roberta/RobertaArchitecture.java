package org.peftjava.transformers.model.roberta;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.peftjava.torch.DType;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.Architecture;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.EncoderModel;
import org.peftjava.transformers.model.Head;
import org.peftjava.transformers.model.HeadParts;
import org.peftjava.transformers.model.ModuleRoles;
import org.peftjava.transformers.model.StandardHeads;
import org.peftjava.transformers.model.Task;

/** RoBERTa: a robustly optimized BERT, arXiv:1907.11692. */
public final class RobertaArchitecture implements Architecture {
  private static final ModuleRoles ROLES =
      new ModuleRoles(
          List.of("query", "value"),
          List.of("query", "key", "value", "attention.output.dense"),
          List.of("intermediate.dense", "output.dense"),
          List.of("output.dense"),
          "word_embeddings",
          "lm_head.decoder");

  @Override
  public String modelType() {
    return RobertaConfig.MODEL_TYPE;
  }

  @Override
  public String causalLmClass() {
    return "RobertaForCausalLM";
  }

  @Override
  public String parentLibrary() {
    return "transformers.models.roberta.modeling_roberta";
  }

  @Override
  public String baseModelPrefix() {
    return "roberta";
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
        Task.MASKED_LM,
        Task.SEQUENCE_CLASSIFICATION,
        Task.TOKEN_CLASSIFICATION,
        Task.QUESTION_ANSWERING);
  }

  @Override
  public PretrainedConfig config(ConfigJson json) {
    return RobertaConfig.of(json);
  }

  @Override
  public Backbone backbone(PretrainedConfig config, DType dtype) {
    return backbone(config, Task.FEATURE_EXTRACTION, dtype);
  }

  @Override
  public Backbone backbone(PretrainedConfig config, Task task, DType dtype) {
    RobertaConfig roberta = roberta(config);
    return new EncoderModel(
        roberta, new RobertaPositions(roberta), task == Task.FEATURE_EXTRACTION, dtype);
  }

  @Override
  public Head head(Task task, HeadParts parts) {
    RobertaConfig config = roberta(parts.config());
    return switch (task) {
      case SEQUENCE_CLASSIFICATION ->
          RobertaHeads.classification(config.classifierDropout(), parts);
      case TOKEN_CLASSIFICATION ->
          StandardHeads.eachToken("classifier", config.classifierDropout(), parts);
      case QUESTION_ANSWERING -> {
        StandardHeads.checkTwoLabels(parts);
        yield StandardHeads.span(0, parts);
      }
      case MASKED_LM -> RobertaHeads.maskedLm(config, parts);
      default -> StandardHeads.ofDecoder(task, parts);
    };
  }

  private static RobertaConfig roberta(PretrainedConfig config) {
    if (config instanceof RobertaConfig roberta) {
      return roberta;
    }
    throw new IllegalArgumentException(
        "A RoBERTa model needs a RobertaConfig, got " + config.getClass().getSimpleName() + ".");
  }
}
