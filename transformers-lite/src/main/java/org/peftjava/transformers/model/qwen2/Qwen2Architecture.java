package org.peftjava.transformers.model.qwen2;

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

/**
 * Qwen2 and Qwen2.5: Llama with biases in its projections to queries, keys and values,
 * arXiv:2407.10671.
 */
public final class Qwen2Architecture extends DecoderArchitecture<Qwen2Config> {
  /** The facts. */
  public Qwen2Architecture() {
    super(
        Qwen2Config.MODEL_TYPE,
        "qwen2",
        "Qwen2ForCausalLM",
        "model",
        ModuleRoles.GATED,
        Qwen2Config.class);
  }

  @Override
  public Qwen2Config config(ConfigJson json) {
    return Qwen2Config.of(json);
  }

  @Override
  protected Backbone build(Qwen2Config config, DType dtype) {
    Supplier<RmsNorm> norm = () -> new RmsNorm(config.hiddenSize(), config.rmsNormEps(), dtype);
    return new RotaryDecoder(
        config,
        new Embedding(config.vocabSize(), config.hiddenSize(), config.paddingRow(), dtype),
        layer ->
            new RotaryDecoderLayer(
                RotaryDecoderLayer.Form.PRE_NORM,
                new GroupedQueryAttention(
                    RotaryHeads.of(config, layer), config.hiddenSize(), true, false, dtype),
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
