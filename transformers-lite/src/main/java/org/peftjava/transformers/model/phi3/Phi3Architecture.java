package org.peftjava.transformers.model.phi3;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import org.peftjava.torch.DType;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.RmsNorm;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.DecoderArchitecture;
import org.peftjava.transformers.model.ModuleRoles;
import org.peftjava.transformers.model.RotaryDecoder;
import org.peftjava.transformers.model.RotaryDecoderLayer;
import org.peftjava.transformers.model.RotaryHeads;
import org.peftjava.transformers.model.Task;

/** Phi-3 and Phi-4-mini: Llama with fused products, arXiv:2404.14219. */
public final class Phi3Architecture extends DecoderArchitecture<Phi3Config> {
  /** The facts. */
  public Phi3Architecture() {
    super(
        Phi3Config.MODEL_TYPE,
        "phi3",
        "Phi3ForCausalLM",
        "model",
        new ModuleRoles(
            List.of("qkv_proj"),
            List.of("qkv_proj", "o_proj"),
            List.of("gate_up_proj", "down_proj"),
            List.of("down_proj"),
            "embed_tokens",
            "lm_head"),
        Phi3Config.class);
  }

  @Override
  public Phi3Config config(ConfigJson json) {
    return Phi3Config.of(json);
  }

  @Override
  protected Backbone build(Phi3Config config, DType dtype) {
    Supplier<RmsNorm> norm = () -> new RmsNorm(config.hiddenSize(), config.rmsNormEps(), dtype);
    return new RotaryDecoder(
        config,
        new Embedding(config.vocabSize(), config.hiddenSize(), config.paddingRow(), dtype),
        layer ->
            new RotaryDecoderLayer(
                RotaryDecoderLayer.Form.PRE_NORM.dropping(config.residPdrop(), true),
                new FusedAttention(RotaryHeads.of(config, layer), config.hiddenSize(), dtype),
                new FusedMlp(config, dtype),
                norm),
        norm.get());
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
