package org.peftjava.transformers.model.qwen3;

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

/** Qwen3: Llama with a norm of every query and key, arXiv:2505.09388. */
public final class Qwen3Architecture extends DecoderArchitecture<Qwen3Config> {
  /** The facts. */
  public Qwen3Architecture() {
    super(
        Qwen3Config.MODEL_TYPE,
        "qwen3",
        "Qwen3ForCausalLM",
        "model",
        ModuleRoles.GATED,
        Qwen3Config.class);
  }

  @Override
  public Qwen3Config config(ConfigJson json) {
    return Qwen3Config.of(json);
  }

  @Override
  protected Backbone build(Qwen3Config config, DType dtype) {
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
                    () -> new RmsNorm(config.headDim(), config.rmsNormEps(), dtype),
                    dtype),
                new GatedMlp(
                    config.hiddenSize(),
                    config.intermediateSize(),
                    false,
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
