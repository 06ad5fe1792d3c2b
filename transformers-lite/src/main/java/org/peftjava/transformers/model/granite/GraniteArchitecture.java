package org.peftjava.transformers.model.granite;

import java.util.EnumSet;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Activation;
import org.peftjava.torch.nn.Embedding;
import org.peftjava.torch.nn.RmsNorm;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.BackboneInput;
import org.peftjava.transformers.model.DecoderArchitecture;
import org.peftjava.transformers.model.GatedMlp;
import org.peftjava.transformers.model.GroupedQueryAttention;
import org.peftjava.transformers.model.Head;
import org.peftjava.transformers.model.HeadParts;
import org.peftjava.transformers.model.ModuleRoles;
import org.peftjava.transformers.model.RotaryDecoder;
import org.peftjava.transformers.model.RotaryDecoderLayer;
import org.peftjava.transformers.model.RotaryHeads;
import org.peftjava.transformers.model.Task;

/** Granite 3: Llama with four multipliers, arXiv:2408.13359. */
public final class GraniteArchitecture extends DecoderArchitecture<GraniteConfig> {
  /** The facts. */
  public GraniteArchitecture() {
    super(
        GraniteConfig.MODEL_TYPE,
        "granite",
        "GraniteForCausalLM",
        "model",
        ModuleRoles.GATED,
        GraniteConfig.class);
  }

  @Override
  public GraniteConfig config(ConfigJson json) {
    return GraniteConfig.of(json);
  }

  @Override
  protected Backbone build(GraniteConfig config, DType dtype) {
    Supplier<RmsNorm> norm = () -> new RmsNorm(config.hiddenSize(), config.rmsNormEps(), dtype);
    return new RotaryDecoder(
        config,
        new Embedding(config.vocabSize(), config.hiddenSize(), config.paddingRow(), dtype),
        layer ->
            new RotaryDecoderLayer(
                RotaryDecoderLayer.Form.PRE_NORM.times(config.residualMultiplier()),
                new GroupedQueryAttention(
                    RotaryHeads.of(config, layer).with(config.attentionMultiplier(), 0),
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

  /** Logits are divided by a number. */
  @Override
  public Head head(Task task, HeadParts parts) {
    Head head = super.head(task, parts);
    double scaling = parts.config().json().getDouble("logits_scaling");
    return new Head() {
      @Override
      public Tensor logits(Backbone backbone, Tensor hidden, BackboneInput input) {
        return head.logits(backbone, hidden, input).div(scaling);
      }

      @Override
      public Map<String, String> ties(String table) {
        return head.ties(table);
      }
    };
  }

  @Override
  public Set<Task> tasks() {
    return EnumSet.of(Task.FEATURE_EXTRACTION, Task.CAUSAL_LM);
  }
}
