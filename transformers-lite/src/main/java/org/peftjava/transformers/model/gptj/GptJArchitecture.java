package org.peftjava.transformers.model.gptj;

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

/** GPT-J: "GPT-J-6B: a 6 billion parameter autoregressive language model", 2021. */
public final class GptJArchitecture extends DecoderArchitecture<GptJConfig> {
  private static final RotaryDecoder.Names NAMES =
      new RotaryDecoder.Names("wte", "drop", "h", "ln_f", null, false);

  /** The facts. */
  public GptJArchitecture() {
    super(
        GptJConfig.MODEL_TYPE,
        "gptj",
        "GPTJForCausalLM",
        "transformer",
        new ModuleRoles(
            List.of("q_proj", "v_proj"),
            List.of("k_proj", "v_proj", "q_proj", "out_proj"),
            List.of("fc_in", "fc_out"),
            List.of("fc_out"),
            "wte",
            "lm_head"),
        GptJConfig.class);
  }

  @Override
  public GptJConfig config(ConfigJson json) {
    return GptJConfig.of(json);
  }

  @Override
  protected Backbone build(GptJConfig config, DType dtype) {
    return new RotaryDecoder(
        config,
        NAMES,
        new Embedding(config.vocabSize(), config.hiddenSize(), dtype),
        layer -> new GptJLayer(config, layer, dtype),
        GptJLayer.norm(config, dtype));
  }

  /** The head has a bias. */
  @Override
  public Head head(Task task, HeadParts parts) {
    return task == Task.CAUSAL_LM
        ? StandardHeads.nextToken(roles().outputEmbedding(), /* bias= */ true, parts)
        : super.head(task, parts);
  }

  /** Masks that old files hold. */
  @Override
  public boolean ignoresWeight(Task task, String name) {
    return name.endsWith("attn.bias") || name.endsWith("attn.masked_bias");
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
