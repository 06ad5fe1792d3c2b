package org.peftjava.transformers;

import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.model.opt.OptConfig;
import org.peftjava.transformers.model.opt.OptConfigBuilder;

/** OPT models small enough for a unit test, with weights large enough to be heard. */
public final class TinyOpt {
  private TinyOpt() {}

  /** Two layers, 12 positions, 30 tokens, no dropout. */
  public static OptConfigBuilder config() {
    return OptConfig.builder()
        .vocabSize(30)
        .hiddenSize(16)
        .numHiddenLayers(2)
        .ffnDim(24)
        .numAttentionHeads(4)
        .maxPositionEmbeddings(12)
        .initStd(0.3)
        .dropout(0);
  }

  /** A model with repeatable weights, ready for inference. */
  public static CausalLM model(OptConfigBuilder config) {
    Randomness.manualSeed(11);
    CausalLM model = AutoModelForCausalLM.fromConfig(config.build(), DType.FLOAT32);
    // biases and norms away from 0 and 1, so that leaving one out shows
    try (TensorScope scope = TensorScope.open("tiny");
        GradMode off = GradMode.noGrad()) {
      model
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
    model.eval();
    return model;
  }
}
