package org.peftjava.transformers.model;

import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Module;

/**
 * One encoder layer: attention and a feed-forward block, each with a residual connection and a norm
 * after it.
 *
 * <p>Reference: {@code BertLayer}, {@code RobertaLayer}; also for its names.
 */
public final class EncoderLayer extends Module {
  private static final SelfAttention.Names NAMES =
      new SelfAttention.Names("query", "key", "value", null);

  private final AttentionBlock attention;
  private final Intermediate intermediate;
  private final ResidualNorm output;

  EncoderLayer(EncoderConfig config, int layer, DType dtype) {
    attention = child("attention", new AttentionBlock(config, layer, dtype));
    intermediate = child("intermediate", new Intermediate(config, dtype));
    output = child("output", new ResidualNorm(config.intermediateSize(), config, dtype));
  }

  /** Returns the layer's output (b, t, e), owned by the current scope. */
  Tensor forward(Tensor x, DecoderContext context) {
    try (TensorScope scope = TensorScope.open("encoder layer")) {
      Tensor attended = attention.forward(x, context);
      return scope.keep(output.forward(intermediate.forward(attended), attended));
    }
  }

  private static final class AttentionBlock extends Module {
    private final SelfAttention self;
    private final ResidualNorm output;

    AttentionBlock(EncoderConfig config, int layer, DType dtype) {
      self =
          child(
              "self",
              new SelfAttention(
                  NAMES,
                  layer,
                  config.hiddenSize(),
                  config.numAttentionHeads(),
                  config.attentionProbsDropoutProb(),
                  dtype));
      output = child("output", new ResidualNorm(config.hiddenSize(), config, dtype));
    }

    Tensor forward(Tensor x, DecoderContext context) {
      try (TensorScope scope = TensorScope.open("attention")) {
        return scope.keep(output.forward(self.forward(x, context), x));
      }
    }
  }
}
