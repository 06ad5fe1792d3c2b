package org.peftjava.transformers.model.t5;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.peftjava.torch.DType;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.Architecture;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.Head;
import org.peftjava.transformers.model.HeadParts;
import org.peftjava.transformers.model.LastEndHead;
import org.peftjava.transformers.model.ModuleRoles;
import org.peftjava.transformers.model.Seq2SeqReader;
import org.peftjava.transformers.model.Task;

/** T5 (arXiv:1910.10683), T5 v1.1, flan-T5; and mT5 (arXiv:2010.11934), which differs in names. */
public final class T5Architecture implements Architecture {
  /** A weight that the first files of T5 hold and no model uses. */
  private static final String UNUSED =
      "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight";

  private static final ModuleRoles ROLES =
      new ModuleRoles(
          List.of("q", "v"),
          List.of("q", "k", "v", "o"),
          List.of("wi", "wi_0", "wi_1", "wo"),
          List.of("wo"),
          "shared",
          "lm_head");

  private final String modelType;

  private T5Architecture(String modelType) {
    this.modelType = modelType;
  }

  /** T5 of all versions. */
  public static T5Architecture t5() {
    return new T5Architecture(T5Config.T5);
  }

  /** The multilingual T5. */
  public static T5Architecture mt5() {
    return new T5Architecture(T5Config.MT5);
  }

  @Override
  public String modelType() {
    return modelType;
  }

  /** There is none; this is the class that writes text. */
  @Override
  public String causalLmClass() {
    return className(Task.SEQ_2_SEQ_LM);
  }

  @Override
  public String className(Task task) {
    String prefix = modelType.equals(T5Config.MT5) ? "MT5" : "T5";
    return prefix + (task == Task.FEATURE_EXTRACTION ? "EncoderModel" : task.suffix());
  }

  @Override
  public String parentLibrary() {
    return "transformers.models." + modelType + ".modeling_" + modelType;
  }

  @Override
  public String baseModelPrefix() {
    return "transformer";
  }

  @Override
  public ModuleRoles roles() {
    return ROLES;
  }

  @Override
  public Set<Task> tasks() {
    return EnumSet.of(
        Task.SEQ_2_SEQ_LM,
        Task.FEATURE_EXTRACTION,
        Task.SEQUENCE_CLASSIFICATION,
        Task.TOKEN_CLASSIFICATION,
        Task.QUESTION_ANSWERING);
  }

  @Override
  public PretrainedConfig config(ConfigJson json) {
    return T5Config.of(json, modelType);
  }

  /** Encoder and decoder. */
  @Override
  public Backbone backbone(PretrainedConfig config, DType dtype) {
    return new T5Model(checked(config), dtype);
  }

  /** For features and for judging tokens, the encoder alone. */
  @Override
  public Backbone backbone(PretrainedConfig config, Task task, DType dtype) {
    return switch (task) {
      case FEATURE_EXTRACTION, TOKEN_CLASSIFICATION -> new T5EncoderModel(checked(config), dtype);
      case SEQUENCE_CLASSIFICATION, QUESTION_ANSWERING -> reader(checked(config), dtype);
      case SEQ_2_SEQ_LM, CAUSAL_LM, MASKED_LM -> backbone(config, dtype);
    };
  }

  /** Question answering, and the model that writes, have their heads beside the stacks. */
  @Override
  public String backboneName(Task task) {
    boolean beside = task == Task.QUESTION_ANSWERING || task == Task.SEQ_2_SEQ_LM;
    return beside ? "" : baseModelPrefix();
  }

  @Override
  public Head head(Task task, HeadParts parts) {
    return switch (task) {
      case SEQUENCE_CLASSIFICATION -> LastEndHead.head(parts);
      case TOKEN_CLASSIFICATION -> T5Heads.eachToken(parts);
      case QUESTION_ANSWERING -> T5Heads.span(parts);
      case FEATURE_EXTRACTION, CAUSAL_LM, MASKED_LM, SEQ_2_SEQ_LM ->
          throw new IllegalArgumentException("There is no such head for " + task + ".");
    };
  }

  @Override
  public double headStd(Task task, PretrainedConfig config) {
    double factor = config.initialStd();
    return task == Task.TOKEN_CLASSIFICATION
        ? factor
        : factor / Math.sqrt(checked(config).dModel());
  }

  @Override
  public boolean ignoresWeight(Task task, String name) {
    return task == Task.FEATURE_EXTRACTION
        ? name.startsWith("decoder.") || name.startsWith(ROLES.outputEmbedding())
        : name.equals(UNUSED);
  }

  @Override
  public List<String> keepInFp32Modules() {
    return List.of("wo");
  }

  private static Seq2SeqReader reader(T5Config config, DType dtype) {
    return new Seq2SeqReader(new T5Model(config, dtype), config.decoderStartTokenId());
  }

  private static T5Config checked(PretrainedConfig config) {
    if (config instanceof T5Config t5) {
      return t5;
    }
    throw new IllegalArgumentException(
        "A T5 model needs a T5Config, got " + config.getClass().getSimpleName() + ".");
  }
}
