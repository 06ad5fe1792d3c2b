package org.peftjava.transformers.model.gpt2;

import java.util.List;
import org.peftjava.torch.DType;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.DecoderArchitecture;
import org.peftjava.transformers.model.Head;
import org.peftjava.transformers.model.HeadParts;
import org.peftjava.transformers.model.ModuleRoles;
import org.peftjava.transformers.model.StandardHeads;
import org.peftjava.transformers.model.Task;

/** GPT-2: "Language Models are Unsupervised Multitask Learners", 2019. */
public final class Gpt2Architecture extends DecoderArchitecture<Gpt2Config> {
  /** The facts. */
  public Gpt2Architecture() {
    super(
        Gpt2Config.MODEL_TYPE,
        "gpt2",
        "GPT2LMHeadModel",
        "transformer",
        new ModuleRoles(
            List.of("c_attn"),
            List.of("c_attn", "attn.c_proj"),
            List.of("c_fc", "mlp.c_proj"),
            List.of("mlp.c_proj"),
            "wte",
            "lm_head"),
        Gpt2Config.class);
  }

  @Override
  public Gpt2Config config(ConfigJson json) {
    return Gpt2Config.of(json);
  }

  @Override
  protected Backbone build(Gpt2Config config, DType dtype) {
    return new Gpt2Model(config, dtype);
  }

  @Override
  public Head head(Task task, HeadParts parts) {
    return task == Task.TOKEN_CLASSIFICATION
        ? StandardHeads.eachToken("classifier", parts)
        : StandardHeads.ofDecoder(task, parts);
  }
}
