package org.peftjava.transformers.model.starcoder2;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import org.peftjava.torch.DType;
import org.peftjava.torch.nn.Activation;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.LayerNorm;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.DecoderArchitecture;
import org.peftjava.transformers.model.GroupedQueryAttention;
import org.peftjava.transformers.model.ModuleRoles;
import org.peftjava.transformers.model.PlainMlp;
import org.peftjava.transformers.model.RotaryDecoder;
import org.peftjava.transformers.model.RotaryDecoderLayer;
import org.peftjava.transformers.model.RotaryHeads;
import org.peftjava.transformers.model.Task;

/** StarCoder2: biases, layer norms and a feed-forward block without a gate, arXiv:2402.19173. */
public final class Starcoder2Architecture extends DecoderArchitecture<Starcoder2Config> {
  private static final PlainMlp.Names MLP =
      new PlainMlp.Names("c_fc", "c_proj", "act", /* activationFirst= */ false, null);

  /** The facts. */
  public Starcoder2Architecture() {
    super(
        Starcoder2Config.MODEL_TYPE,
        "starcoder2",
        "Starcoder2ForCausalLM",
        "model",
        new ModuleRoles(
            List.of("q_proj", "v_proj"),
            List.of("q_proj", "k_proj", "v_proj", "o_proj"),
            List.of("c_fc", "c_proj"),
            List.of("c_proj"),
            "embed_tokens",
            "lm_head"),
        Starcoder2Config.class);
  }

  @Override
  public Starcoder2Config config(ConfigJson json) {
    return Starcoder2Config.of(json);
  }

  @Override
  protected Backbone build(Starcoder2Config config, DType dtype) {
    Supplier<LayerNorm> norm =
        () -> new LayerNorm(config.hiddenSize(), config.normEpsilon(), dtype);
    return new RotaryDecoder(
        config,
        RotaryDecoder.Names.LLAMA,
        new Embedding(config.vocabSize(), config.hiddenSize(), config.paddingRow(), dtype),
        layer ->
            new RotaryDecoderLayer(
                RotaryDecoderLayer.Form.PRE_NORM.dropping(config.residualDropout(), false),
                new GroupedQueryAttention(
                    RotaryHeads.of(config, layer),
                    config.hiddenSize(),
                    config.useBias(),
                    config.useBias(),
                    dtype),
                new PlainMlp(
                    MLP,
                    config.hiddenSize(),
                    config.intermediateSize(),
                    config.useBias(),
                    Activation.of(config.hiddenAct(), "hidden_act"),
                    /* dropout= */ 0,
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
