package org.peftjava.transformers.model.distilbert;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.peftjava.torch.DType;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.Architecture;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.EncoderHeads;
import org.peftjava.transformers.model.Head;
import org.peftjava.transformers.model.HeadParts;
import org.peftjava.transformers.model.ModuleRoles;
import org.peftjava.transformers.model.Task;

/** DistilBERT: a distilled version of BERT, arXiv:1910.01108. */
public final class DistilBertArchitecture implements Architecture {
  private static final ModuleRoles ROLES =
      new ModuleRoles(
          List.of("q_lin", "v_lin"),
          List.of("q_lin", "k_lin", "v_lin", "out_lin"),
          List.of("lin1", "lin2"),
          List.of("lin2"),
          "word_embeddings",
          "vocab_projector");

  @Override
  public String modelType() {
    return DistilBertConfig.MODEL_TYPE;
  }

  /** There is no causal one. */
  @Override
  public String causalLmClass() {
    return className(Task.MASKED_LM);
  }

  @Override
  public String className(Task task) {
    return "DistilBert" + task.suffix();
  }

  @Override
  public String parentLibrary() {
    return "transformers.models.distilbert.modeling_distilbert";
  }

  @Override
  public String baseModelPrefix() {
    return "distilbert";
  }

  @Override
  public ModuleRoles roles() {
    return ROLES;
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
    return DistilBertConfig.of(json);
  }

  @Override
  public Backbone backbone(PretrainedConfig config, DType dtype) {
    return new DistilBertModel(distilBert(config), dtype);
  }

  @Override
  public Head head(Task task, HeadParts parts) {
    DistilBertConfig config = distilBert(parts.config());
    return EncoderHeads.of(
        task,
        config.dropout(),
        config.qaDropout(),
        () -> DistilBertHeads.classification(config, parts),
        () -> DistilBertHeads.maskedLm(config, parts),
        parts);
  }

  private static DistilBertConfig distilBert(PretrainedConfig config) {
    if (config instanceof DistilBertConfig distilBert) {
      return distilBert;
    }
    throw new IllegalArgumentException(
        "A DistilBERT model needs a DistilBertConfig, got "
            + config.getClass().getSimpleName()
            + ".");
  }
}
