package org.peftjava.transformers.model.debertav2;

import java.util.List;
import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Activation;
import org.peftjava.torch.nn.Dropout;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.LayerNorm;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.BackboneInput;
import org.peftjava.transformers.model.Head;
import org.peftjava.transformers.model.HeadParts;

/** The heads that DeBERTa has and others have not; their layers stand beside the backbone. */
final class DebertaV2Heads {
  private DebertaV2Heads() {}

  /** {@code classifier(act(pooler.dense(x)))} of each text's first token. */
  static Head classification(DebertaV2Config config, HeadParts parts) {
    Slot<Pooler> pooler = parts.child("pooler", Pooler.class, new Pooler(config, parts.dtype()));
    Slot<LinearLayer> classifier =
        parts.linear("classifier", parts.size(), parts.labels().count(), true);
    Slot<Layer> dropout = parts.dropout(config.clsDropout());
    return (backbone, hidden, input) -> {
      try (TensorScope scope = TensorScope.open("classify")) {
        Tensor pooled = pooler.get().forward(pooler.bring(hidden));
        Tensor dropped = dropout.get().forward(pooled);
        return scope.keep(classifier.get().forward(classifier.bring(dropped)));
      }
    };
  }

  /** {@code norm(act(dense(x))) E^T + bias}, with the token embedding E. */
  static Head maskedLm(DebertaV2Config config, HeadParts parts) {
    if (config.embeddingSize() != config.hiddenSize()) {
      throw config
          .json()
          .invalid(
              "embedding_size",
              "expected hidden_size, as the head that legacy = false asks for multiplies hidden"
                  + " states with token embeddings.");
    }
    Slot<Predictions> head =
        parts.child("lm_predictions", Predictions.class, new Predictions(config, parts.dtype()));
    return new Head() {
      @Override
      public Tensor logits(Backbone backbone, Tensor hidden, BackboneInput input) {
        try (TensorScope scope = TensorScope.open("predict masked tokens")) {
          Tensor table = head.bring(backbone.inputEmbeddings().table().tensor());
          return scope.keep(head.get().head.forward(head.bring(hidden), table));
        }
      }

      @Override
      public List<String> tokenBiases() {
        return List.of("lm_predictions.lm_head.bias");
      }
    };
  }

  /** Reference: ContextPooler. */
  private static final class Pooler extends Module {
    private final Slot<LinearLayer> dense;
    private final Slot<Layer> dropout;
    private final Activation activation;

    Pooler(DebertaV2Config config, DType dtype) {
      long size = config.hiddenSize();
      dense = child("dense", LinearLayer.class, new Linear(size, size, true, dtype));
      dropout = child("dropout", Layer.class, new Dropout(config.poolerDropout()));
      activation = Activation.of(config.poolerHiddenAct(), "pooler_hidden_act");
    }

    Tensor forward(Tensor hidden) {
      try (TensorScope scope = TensorScope.open("pooler")) {
        Tensor first = dropout.get().forward(hidden.select(1, 0));
        return scope.keep(activation.forward(dense.get().forward(first)));
      }
    }
  }

  /** Reference: DebertaV2OnlyMLMHead. */
  private static final class Predictions extends Module {
    private final LmHead head;

    Predictions(DebertaV2Config config, DType dtype) {
      head = child("lm_head", new LmHead(config, dtype));
    }
  }

  /** Reference: DebertaV2LMPredictionHead. */
  private static final class LmHead extends Module {
    private final Slot<LinearLayer> dense;
    private final Slot<Layer> activation;
    private final Slot<Layer> norm;
    private final Parameter bias;

    LmHead(DebertaV2Config config, DType dtype) {
      long size = config.hiddenSize();
      dense = child("dense", LinearLayer.class, new Linear(size, size, true, dtype));
      activation =
          child("transform_act_fn", Layer.class, Activation.of(config.hiddenAct(), "hidden_act"));
      norm = child("LayerNorm", Layer.class, new LayerNorm(size, config.layerNormEps(), dtype));
      bias = register("bias", new Parameter(Shape.of(config.vocabSize()), dtype, Init.zeros()));
    }

    /** Hidden states (..., e) and token embeddings (v, e) to logits (..., v). */
    Tensor forward(Tensor x, Tensor table) {
      Tensor inner = activation.get().forward(dense.get().forward(x));
      return norm.get().forward(inner).matmul(table.t()).add(bias.tensor());
    }
  }
}
