package org.peftjava.transformers.model.llama;

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
import org.peftjava.transformers.model.Task;

/** Llama 1 to 3: arXiv:2302.13971, arXiv:2307.09288, arXiv:2407.21783. */
public final class LlamaArchitecture extends DecoderArchitecture<LlamaConfig> {
  /** The facts. */
  public LlamaArchitecture() {
    super(
        LlamaConfig.MODEL_TYPE,
        "llama",
        "LlamaForCausalLM",
        "model",
        ModuleRoles.GATED,
        LlamaConfig.class);
  }

  @Override
  public LlamaConfig config(ConfigJson json) {
    return LlamaConfig.of(json);
  }

  @Override
  protected Backbone build(LlamaConfig config, DType dtype) {
    Supplier<RmsNorm> norm = () -> new RmsNorm(config.hiddenSize(), config.rmsNormEps(), dtype);
    return new RotaryDecoder(
        config,
        new Embedding(config.vocabSize(), config.hiddenSize(), config.paddingRow(), dtype),
        layer ->
            new RotaryDecoderLayer(
                RotaryDecoderLayer.Form.PRE_NORM,
                new GroupedQueryAttention(
                    RotaryHeads.of(config, layer),
                    config.hiddenSize(),
                    config.attentionBias(),
                    config.attentionBias(),
                    dtype),
                new GatedMlp(
                    config.hiddenSize(),
                    config.intermediateSize(),
                    config.mlpBias(),
                    Activation.of(config.hiddenAct(), "hidden_act"),
                    dtype),
                norm),
        norm.get());
  }

  /** Question answering alone has kept an old name. */
  @Override
  public String backboneName(Task task) {
    return task == Task.QUESTION_ANSWERING ? "transformer" : baseModelPrefix();
  }
}
