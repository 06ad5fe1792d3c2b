package org.peftjava.transformers.model.phi;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.peftjava.torch.DType;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.DecoderArchitecture;
import org.peftjava.transformers.model.Head;
import org.peftjava.transformers.model.HeadParts;
import org.peftjava.transformers.model.ModuleRoles;
import org.peftjava.transformers.model.RotaryDecoder;
import org.peftjava.transformers.model.StandardHeads;
import org.peftjava.transformers.model.Task;

/** Phi 1, 1.5 and 2, arXiv:2309.05463. */
public final class PhiArchitecture extends DecoderArchitecture<PhiConfig> {
  private static final RotaryDecoder.Names NAMES =
      new RotaryDecoder.Names(
          "embed_tokens", "embed_dropout", "layers", "final_layernorm", "rotary_emb", true);

  /** The facts. */
  public PhiArchitecture() {
    super(
        PhiConfig.MODEL_TYPE,
        "phi",
        "PhiForCausalLM",
        "model",
        new ModuleRoles(
            List.of("q_proj", "v_proj", "fc1", "fc2"),
            List.of("q_proj", "k_proj", "v_proj", "dense"),
            List.of("fc1", "fc2"),
            List.of("fc2"),
            "embed_tokens",
            "lm_head"),
        PhiConfig.class);
  }

  @Override
  public PhiConfig config(ConfigJson json) {
    return PhiConfig.of(json);
  }

  @Override
  protected Backbone build(PhiConfig config, DType dtype) {
    return new RotaryDecoder(
        config,
        NAMES,
        new Embedding(config.vocabSize(), config.hiddenSize(), config.paddingRow(), dtype),
        layer -> new PhiLayer(config, layer, dtype),
        PhiLayer.norm(config, config.hiddenSize(), dtype));
  }

  /** The head has a bias. */
  @Override
  public Head head(Task task, HeadParts parts) {
    return task == Task.CAUSAL_LM
        ? StandardHeads.nextToken(roles().outputEmbedding(), /* bias= */ true, parts)
        : super.head(task, parts);
  }

  @Override
  public Set<Task> tasks() {
    return EnumSet.of(
        Task.FEATURE_EXTRACTION,
        Task.CAUSAL_LM,
        Task.SEQUENCE_CLASSIFICATION,
        Task.TOKEN_CLASSIFICATION);
  }
}
