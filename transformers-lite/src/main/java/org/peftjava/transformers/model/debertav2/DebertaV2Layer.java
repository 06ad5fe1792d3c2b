package org.peftjava.transformers.model.debertav2;

import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Module;
import org.peftjava.transformers.model.Intermediate;
import org.peftjava.transformers.model.ResidualNorm;

/**
 * One layer: disentangled attention and a feed-forward block, each with a residual connection and a
 * norm after it.
 *
 * <p>Reference: {@code DebertaV2Layer}, also for its names.
 */
final class DebertaV2Layer extends Module {
  private final AttentionBlock attention;
  private final Intermediate intermediate;
  private final ResidualNorm output;

  DebertaV2Layer(DebertaV2Config config, DType dtype) {
    attention = child("attention", new AttentionBlock(config, dtype));
    intermediate = child("intermediate", new Intermediate(config, dtype));
    output = child("output", new ResidualNorm(config.intermediateSize(), config, dtype));
  }

  /** Returns the layer's output (b, t, e), owned by the current scope. */
  Tensor forward(Tensor x, DebertaV2Context context) {
    try (TensorScope scope = TensorScope.open("deberta layer")) {
      Tensor attended = attention.forward(x, context);
      return scope.keep(output.forward(intermediate.forward(attended), attended));
    }
  }

  private static final class AttentionBlock extends Module {
    private final DisentangledAttention self;
    private final ResidualNorm output;

    AttentionBlock(DebertaV2Config config, DType dtype) {
      self = child("self", new DisentangledAttention(config, dtype));
      output = child("output", new ResidualNorm(config.hiddenSize(), config, dtype));
    }

    Tensor forward(Tensor x, DebertaV2Context context) {
      try (TensorScope scope = TensorScope.open("attention")) {
        return scope.keep(output.forward(self.forward(x, context), x));
      }
    }
  }
}
