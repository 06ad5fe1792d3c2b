package org.peftjava.transformers.model.gemma3;

import java.util.EnumSet;
import java.util.Set;
import java.util.function.Supplier;
import org.peftjava.torch.DType;
import org.peftjava.torch.nn.Activation;
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
import org.peftjava.transformers.model.ScaledEmbedding;
import org.peftjava.transformers.model.Task;

/**
 * Gemma 3, its language model: norms on both sides of each block and of every query and key, five
 * of six layers see a window and turn faster, arXiv:2503.19786.
 */
public final class Gemma3TextArchitecture extends DecoderArchitecture<Gemma3TextConfig> {
  /** The facts. */
  public Gemma3TextArchitecture() {
    super(
        Gemma3TextConfig.MODEL_TYPE,
        "gemma3",
        "Gemma3ForCausalLM",
        "model",
        ModuleRoles.GATED,
        Gemma3TextConfig.class);
  }

  @Override
  public Gemma3TextConfig config(ConfigJson json) {
    return Gemma3TextConfig.of(json);
  }

  @Override
  protected Backbone build(Gemma3TextConfig config, DType dtype) {
    Supplier<RmsNorm> norm =
        () -> RmsNorm.aroundOne(config.hiddenSize(), config.rmsNormEps(), dtype);
    return new RotaryDecoder(
        config,
        new ScaledEmbedding(
            config.vocabSize(),
            config.hiddenSize(),
            config.paddingRow(),
            Math.sqrt(config.hiddenSize()),
            dtype),
        layer ->
            new RotaryDecoderLayer(
                RotaryDecoderLayer.Form.SANDWICH,
                new GroupedQueryAttention(
                    RotaryHeads.of(config, layer)
                        .with(1 / Math.sqrt(config.queryPreAttnScalar()), 0),
                    config.hiddenSize(),
                    config.attentionBias(),
                    config.attentionBias(),
                    () -> RmsNorm.aroundOne(config.headDim(), config.rmsNormEps(), dtype),
                    dtype),
                new GatedMlp(
                    config.hiddenSize(),
                    config.intermediateSize(),
                    false,
                    Activation.of(config.hiddenActivation(), "hidden_activation"),
                    dtype),
                norm),
        norm.get());
  }

  @Override
  public Set<Task> tasks() {
    return EnumSet.of(Task.FEATURE_EXTRACTION, Task.CAUSAL_LM, Task.SEQUENCE_CLASSIFICATION);
  }

  @Override
  public String className(Task task) {
    return task == Task.CAUSAL_LM ? causalLmClass() : "Gemma3Text" + task.suffix();
  }
}
