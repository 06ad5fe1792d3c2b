package org.peftjava.transformers.model.gemma;

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

/** Gemma 1: Llama with scaled embeddings and norms around one, arXiv:2403.08295. */
public final class GemmaArchitecture extends DecoderArchitecture<GemmaConfig> {
  /** The facts. */
  public GemmaArchitecture() {
    super(
        GemmaConfig.MODEL_TYPE,
        "gemma",
        "GemmaForCausalLM",
        "model",
        ModuleRoles.GATED,
        GemmaConfig.class);
  }

  @Override
  public GemmaConfig config(ConfigJson json) {
    return GemmaConfig.of(json);
  }

  @Override
  protected Backbone build(GemmaConfig config, DType dtype) {
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
                    false,
                    Activation.of(config.hiddenAct(), "hidden_act"),
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
