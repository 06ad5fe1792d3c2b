package org.peftjava.transformers.model.electra;

import java.util.Map;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Activation;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.LayerNorm;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.BackboneInput;
import org.peftjava.transformers.model.Head;
import org.peftjava.transformers.model.HeadParts;

/** The head that ELECTRA has and others have not: the generator's. */
final class ElectraHeads {
  private ElectraHeads() {}

  /** {@code generator_lm_head(norm(gelu(dense(x))))}, with vectors as long as a token's between. */
  static Head generator(ElectraConfig config, HeadParts parts) {
    Slot<Predictions> predictions =
        parts.child(
            "generator_predictions", Predictions.class, new Predictions(config, parts.dtype()));
    Slot<LinearLayer> head =
        parts.linear("generator_lm_head", config.embeddingSize(), config.vocabSize(), true);
    return new Head() {
      @Override
      public Tensor logits(Backbone backbone, Tensor hidden, BackboneInput input) {
        try (TensorScope scope = TensorScope.open("generator")) {
          Tensor inner = predictions.get().forward(predictions.bring(hidden));
          return scope.keep(head.get().forward(head.bring(inner)));
        }
      }

      @Override
      public Map<String, String> ties(String table) {
        return Map.of("generator_lm_head.weight", table);
      }
    };
  }

  /** Reference: ElectraGeneratorPredictions. */
  private static final class Predictions extends Module {
    private final Slot<Layer> norm;
    private final Slot<LinearLayer> dense;
    private final Activation activation = Activation.of("gelu", "activation");

    Predictions(ElectraConfig config, DType dtype) {
      long size = config.embeddingSize();
      norm = child("LayerNorm", Layer.class, new LayerNorm(size, config.layerNormEps(), dtype));
      Linear map = new Linear(config.hiddenSize(), size, true, dtype);
      dense = child("dense", LinearLayer.class, map);
    }

    Tensor forward(Tensor x) {
      try (TensorScope scope = TensorScope.open("predictions")) {
        return scope.keep(norm.get().forward(activation.forward(dense.get().forward(x))));
      }
    }
  }
}
