package org.peftjava.transformers.model.gemma2;

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
 * Gemma 2: norms on both sides of each block, bounded scores and logits, every other layer sees a
 * window, arXiv:2408.00118.
 */
public final class Gemma2Architecture extends DecoderArchitecture<Gemma2Config> {
  /** The facts. */
  public Gemma2Architecture() {
    super(
        Gemma2Config.MODEL_TYPE,
        "gemma2",
        "Gemma2ForCausalLM",
        "model",
        ModuleRoles.GATED,
        Gemma2Config.class);
  }

  @Override
  public Gemma2Config config(ConfigJson json) {
    return Gemma2Config.of(json);
  }

  @Override
  protected Backbone build(Gemma2Config config, DType dtype) {
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
                        .with(
                            1 / Math.sqrt(config.queryPreAttnScalar()),
                            config.attnLogitSoftcapping()),
                    config.hiddenSize(),
                    config.attentionBias(),
                    config.attentionBias(),
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
    return EnumSet.of(
        Task.FEATURE_EXTRACTION,
        Task.CAUSAL_LM,
        Task.SEQUENCE_CLASSIFICATION,
        Task.TOKEN_CLASSIFICATION);
  }
}
