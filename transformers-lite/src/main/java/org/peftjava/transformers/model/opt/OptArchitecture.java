package org.peftjava.transformers.model.opt;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.peftjava.torch.DType;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.Architecture;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.ModuleRoles;
import org.peftjava.transformers.model.Task;

/** OPT: open pre-trained transformers, arXiv:2205.01068. */
public final class OptArchitecture implements Architecture {
  private static final ModuleRoles ROLES =
      new ModuleRoles(
          List.of("q_proj", "v_proj"),
          List.of("q_proj", "k_proj", "v_proj", "out_proj"),
          List.of("fc1", "fc2"),
          List.of("fc2"),
          "embed_tokens",
          "lm_head");

  @Override
  public String modelType() {
    return OptConfig.MODEL_TYPE;
  }

  @Override
  public String causalLmClass() {
    return "OPTForCausalLM";
  }

  @Override
  public String parentLibrary() {
    return "transformers.models.opt.modeling_opt";
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
  public PretrainedConfig config(ConfigJson json) {
    return OptConfig.of(json);
  }

  @Override
  public Backbone backbone(PretrainedConfig config, DType dtype) {
    if (!(config instanceof OptConfig opt)) {
      throw new IllegalArgumentException(
          "An OPT model needs an OptConfig, got " + config.getClass().getSimpleName() + ".");
    }
    return new OptModel(opt, dtype);
  }

  @Override
  public Set<Task> tasks() {
    return EnumSet.of(
        Task.FEATURE_EXTRACTION,
        Task.CAUSAL_LM,
        Task.SEQUENCE_CLASSIFICATION,
        Task.QUESTION_ANSWERING);
  }
}
