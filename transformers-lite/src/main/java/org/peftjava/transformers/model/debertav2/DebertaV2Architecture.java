package org.peftjava.transformers.model.debertav2;

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
import org.peftjava.transformers.model.Predictions;
import org.peftjava.transformers.model.Task;

/** DeBERTa v2 and v3: BERT with disentangled attention, arXiv:2006.03654 and arXiv:2111.09543. */
public final class DebertaV2Architecture implements Architecture {
  private static final ModuleRoles ROLES =
      new ModuleRoles(
          List.of("query_proj", "value_proj"),
          List.of("query_proj", "key_proj", "value_proj", "attention.output.dense"),
          List.of("intermediate.dense", "output.dense"),
          List.of("output.dense"),
          "word_embeddings",
          "cls.predictions.decoder");

  @Override
  public String modelType() {
    return DebertaV2Config.MODEL_TYPE;
  }

  /** There is no causal one. */
  @Override
  public String causalLmClass() {
    return className(Task.MASKED_LM);
  }

  @Override
  public String className(Task task) {
    return "DebertaV2" + task.suffix();
  }

  @Override
  public String parentLibrary() {
    return "transformers.models.deberta_v2.modeling_deberta_v2";
  }

  @Override
  public String baseModelPrefix() {
    return "deberta";
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
  public boolean hasSharedLabels() {
    return true;
  }

  @Override
  public boolean ignoresWeight(Task task, String name) {
    return task == Task.MASKED_LM
        ? name.contains("mask_predictions")
        : name.contains("position_embeddings");
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
    return DebertaV2Config.of(json);
  }

  @Override
  public Backbone backbone(PretrainedConfig config, DType dtype) {
    return new DebertaV2Model(deberta(config), dtype);
  }

  @Override
  public Head head(Task task, HeadParts parts) {
    DebertaV2Config config = deberta(parts.config());
    return EncoderHeads.of(
        task,
        config.hiddenDropoutProb(),
        /* spanDropout= */ 0,
        () -> DebertaV2Heads.classification(config, parts),
        () ->
            config.legacy()
                ? Predictions.head(config, config.embeddingSize(), parts)
                : DebertaV2Heads.maskedLm(config, parts),
        parts);
  }

  private static DebertaV2Config deberta(PretrainedConfig config) {
    if (config instanceof DebertaV2Config deberta) {
      return deberta;
    }
    throw new IllegalArgumentException(
        "A DeBERTa-v2 model needs a DebertaV2Config, got "
            + config.getClass().getSimpleName()
            + ".");
  }
}
