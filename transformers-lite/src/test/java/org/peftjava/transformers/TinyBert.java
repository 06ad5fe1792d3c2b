package org.peftjava.transformers;

import java.util.function.BiFunction;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.EncoderConfigBuilder;
import org.peftjava.transformers.model.bert.BertConfig;

/** BERT models small enough for a unit test, with weights large enough to be heard. */
public final class TinyBert {
  private TinyBert() {}

  /** Two layers, 12 positions, 30 tokens, 2 token types, padding token 0, no dropout. */
  public static EncoderConfigBuilder<BertConfig> config() {
    return BertConfig.builder()
        .vocabSize(30)
        .hiddenSize(16)
        .numHiddenLayers(2)
        .intermediateSize(24)
        .numAttentionHeads(4)
        .maxPositionEmbeddings(12)
        .initializerRange(0.3)
        .hiddenDropoutProb(0)
        .attentionProbsDropoutProb(0);
  }

  /** A text classifier with repeatable weights, ready for inference. */
  public static SequenceClassification classifier(EncoderConfigBuilder<BertConfig> config) {
    return model(AutoModelForSequenceClassification::fromConfig, config.build());
  }

  /** A model with repeatable weights, ready for inference. */
  public static <M extends PretrainedModel> M model(
      BiFunction<PretrainedConfig, DType, M> maker, PretrainedConfig config) {
    Randomness.manualSeed(11);
    M model = maker.apply(config, DType.FLOAT32);
    try (TensorScope scope = TensorScope.open("tiny");
        GradMode off = GradMode.noGrad()) {
      model
          .module()
          .namedParameters()
          .values()
          .forEach(
              parameter -> {
                long[] sizes = parameter.shape().toArray();
                Tensor values = parameter.tensor();
                Tensor noise = Creation.randn(DType.FLOAT32, sizes).to(values.device());
                values.addInPlace(noise, 0.1);
              });
    }
    model.module().eval();
    return model;
  }
}
