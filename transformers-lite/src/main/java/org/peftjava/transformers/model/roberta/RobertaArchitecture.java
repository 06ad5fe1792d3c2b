package org.peftjava.transformers.model.roberta;

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
import org.peftjava.transformers.model.Task;

/**
 * RoBERTa, a robustly optimized BERT (arXiv:1907.11692), and the models that are RoBERTa under
 * another name: XLM-RoBERTa (arXiv:1911.02116) and CamemBERT (arXiv:1911.03894).
 */
public final class RobertaArchitecture implements Architecture {
  private static final ModuleRoles ROLES =
      new ModuleRoles(
          List.of("query", "value"),
          List.of("query", "key", "value", "attention.output.dense"),
          List.of("intermediate.dense", "output.dense"),
          List.of("output.dense"),
          "word_embeddings",
          "lm_head.decoder");

  private final String modelType;
  private final String stem;

  private RobertaArchitecture(String modelType, String stem) {
    this.modelType = modelType;
    this.stem = stem;
  }

  /** RoBERTa itself. */
  public static RobertaArchitecture roberta() {
    return new RobertaArchitecture(RobertaConfig.MODEL_TYPE, "Roberta");
  }

  /** XLM-RoBERTa, of a hundred languages. */
  public static RobertaArchitecture xlmRoberta() {
    return new RobertaArchitecture(RobertaConfig.XLM_ROBERTA, "XLMRoberta");
  }

  /** CamemBERT, of French. */
  public static RobertaArchitecture camembert() {
    return new RobertaArchitecture(RobertaConfig.CAMEMBERT, "Camembert");
  }

  @Override
  public String modelType() {
    return modelType;
  }

  @Override
  public String causalLmClass() {
    return stem + "ForCausalLM";
  }

  @Override
  public String parentLibrary() {
    String module = modelType.replace('-', '_');
    return "transformers.models." + module + ".modeling_" + module;
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
        Task.CAUSAL_LM,
        Task.MASKED_LM,
        Task.SEQUENCE_CLASSIFICATION,
        Task.TOKEN_CLASSIFICATION,
        Task.QUESTION_ANSWERING);
  }

  @Override
  public PretrainedConfig config(ConfigJson json) {
    return RobertaConfig.of(json.with("model_type", modelType));
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
    return EncoderHeads.of(
        task,
        config.classifierDropout(),
        /* spanDropout= */ 0,
        () -> FirstTokenClassifier.head("tanh", config.classifierDropout(), parts),
        () -> RobertaHeads.maskedLm(config, parts),
        parts);
  }

  private static RobertaConfig roberta(PretrainedConfig config) {
    if (config instanceof RobertaConfig roberta) {
      return roberta;
    }
    throw new IllegalArgumentException(
        "A RoBERTa model needs a RobertaConfig, got " + config.getClass().getSimpleName() + ".");
  }
}
