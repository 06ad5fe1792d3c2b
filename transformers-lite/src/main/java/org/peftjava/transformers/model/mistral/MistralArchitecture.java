package org.peftjava.transformers.model.mistral;

import java.util.function.Supplier;
import org.peftjava.torch.DType;
import org.peftjava.torch.nn.Activation;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.RmsNorm;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.DecoderArchitecture;
import org.peftjava.transformers.model.GatedMlp;
import org.peftjava.transformers.model.GroupedQueryAttention;
import org.peftjava.transformers.model.ModuleRoles;
import org.peftjava.transformers.model.RotaryDecoder;
import org.peftjava.transformers.model.RotaryDecoderLayer;
import org.peftjava.transformers.model.RotaryHeads;

/** Mistral: Llama whose layers see a window of the last tokens, arXiv:2310.06825. */
public final class MistralArchitecture extends DecoderArchitecture<MistralConfig> {
  /** The facts. */
  public MistralArchitecture() {
    super(
        MistralConfig.MODEL_TYPE,
        "mistral",
        "MistralForCausalLM",
        "model",
        ModuleRoles.GATED,
        MistralConfig.class);
  }

  @Override
  public MistralConfig config(ConfigJson json) {
    return MistralConfig.of(json);
  }

  @Override
  protected Backbone build(MistralConfig config, DType dtype) {
    Supplier<RmsNorm> norm = () -> new RmsNorm(config.hiddenSize(), config.rmsNormEps(), dtype);
    return new RotaryDecoder(
        config,
        new Embedding(config.vocabSize(), config.hiddenSize(), config.paddingRow(), dtype),
        layer ->
            new RotaryDecoderLayer(
                RotaryDecoderLayer.Form.PRE_NORM,
                new GroupedQueryAttention(
                    RotaryHeads.of(config, layer), config.hiddenSize(), false, false, dtype),
                new GatedMlp(
                    config.hiddenSize(),
                    config.intermediateSize(),
                    false,
                    Activation.of(config.hiddenAct(), "hidden_act"),
                    dtype),
                norm),
        norm.get());
  }
}
