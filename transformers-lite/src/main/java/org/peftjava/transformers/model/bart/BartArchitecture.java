package org.peftjava.transformers.model.bart;

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
import org.peftjava.transformers.model.StandardHeads;
import org.peftjava.transformers.model.Task;

/** BART: a denoising autoencoder of an encoder and a decoder, arXiv:1910.13461. */
public final class BartArchitecture implements Architecture {
  private static final ModuleRoles ROLES =
      new ModuleRoles(
          List.of("q_proj", "v_proj"),
          List.of("q_proj", "k_proj", "v_proj", "out_proj"),
          List.of("fc1", "fc2"),
          List.of("fc2"),
          "shared",
          "lm_head");

  @Override
  public String modelType() {
    return BartConfig.MODEL_TYPE;
  }

  /** The decoder alone is not there; this is the class that writes text. */
  @Override
  public String causalLmClass() {
    return className(Task.SEQ_2_SEQ_LM);
  }

  @Override
  public String className(Task task) {
    return "Bart" + task.suffix();
  }

  @Override
  public String parentLibrary() {
    return "transformers.models.bart.modeling_bart";
  }

  @Override
  public String baseModelPrefix() {
    return "model";
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
        Task.QUESTION_ANSWERING);
  }

  @Override
  public PretrainedConfig config(ConfigJson json) {
    return BartConfig.of(json);
  }

  /** Encoder and decoder. */
  @Override
  public Backbone backbone(PretrainedConfig config, DType dtype) {
    return new BartModel(bart(config), dtype);
  }

  /** Whoever judges a text reads it with both stacks. */
  @Override
  public Backbone backbone(PretrainedConfig config, Task task, DType dtype) {
    BartModel stacks = new BartModel(bart(config), dtype);
    return task == Task.SEQ_2_SEQ_LM
        ? stacks
        : new Seq2SeqReader(stacks, bart(config).decoderStartTokenId());
  }

  @Override
  public Head head(Task task, HeadParts parts) {
    return switch (task) {
      case SEQUENCE_CLASSIFICATION -> LastEndHead.head(parts);
      case QUESTION_ANSWERING -> StandardHeads.span(0, parts); // two numbers, whatever the labels
      default -> throw new IllegalArgumentException("There is no such head for " + task + ".");
    };
  }

  @Override
  public boolean ignoresWeight(Task task, String name) {
    return name.endsWith("encoder.version") || name.endsWith("decoder.version");
  }

  private static BartConfig bart(PretrainedConfig config) {
    if (config instanceof BartConfig bart) {
      return bart;
    }
    throw new IllegalArgumentException(
        "A BART model needs a BartConfig, got " + config.getClass().getSimpleName() + ".");
  }
}
