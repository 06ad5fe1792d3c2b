package org.peftjava.transformers.model.gptneox;

import java.util.List;
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

/** GPT-NeoX and Pythia, arXiv:2204.06745, arXiv:2304.01373. */
public final class GptNeoXArchitecture extends DecoderArchitecture<GptNeoXConfig> {
  private static final RotaryDecoder.Names NAMES =
      new RotaryDecoder.Names(
          "embed_in", "emb_dropout", "layers", "final_layer_norm", "rotary_emb", false);

  /** The facts. */
  public GptNeoXArchitecture() {
    super(
        GptNeoXConfig.MODEL_TYPE,
        "gpt_neox",
        "GPTNeoXForCausalLM",
        "gpt_neox",
        new ModuleRoles(
            List.of("query_key_value"),
            List.of("query_key_value", "dense"),
            List.of("dense_h_to_4h", "dense_4h_to_h"),
            List.of("dense_4h_to_h"),
            "embed_in",
            "lm_head"),
        GptNeoXConfig.class);
  }

  @Override
  public GptNeoXConfig config(ConfigJson json) {
    return GptNeoXConfig.of(json);
  }

  @Override
  protected Backbone build(GptNeoXConfig config, DType dtype) {
    return new RotaryDecoder(
        config,
        NAMES,
        new Embedding(config.vocabSize(), config.hiddenSize(), dtype),
        layer -> new GptNeoXLayer(config, layer, dtype),
        GptNeoXLayer.norm(config, dtype));
  }

  @Override
  public Head head(Task task, HeadParts parts) {
    return task == Task.TOKEN_CLASSIFICATION
        ? StandardHeads.eachToken("classifier", parts)
        : super.head(task, parts);
  }

  /** The head had another name until transformers 5. */
  @Override
  public String presentName(String name) {
    return name.startsWith("embed_out.") ? name.replace("embed_out.", "lm_head.") : name;
  }

  /** Masks that old files hold. */
  @Override
  public boolean ignoresWeight(Task task, String name) {
    return name.endsWith("attention.bias") || name.endsWith("attention.masked_bias");
  }
}
