package org.peftjava.transformers.model.distilbert;

import java.util.Map;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Activation;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.LayerNorm;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Slot;
import org.peftjava.transformers.model.Backbone;
import org.peftjava.transformers.model.BackboneInput;
import org.peftjava.transformers.model.Head;
import org.peftjava.transformers.model.HeadParts;

/** The heads that DistilBERT has and others have not; their layers stand beside the backbone. */
final class DistilBertHeads {
  private DistilBertHeads() {}

  /** {@code classifier(relu(pre_classifier(x)))} of each text's first token. */
  static Head classification(DistilBertConfig config, HeadParts parts) {
    long size = parts.size();
    Slot<LinearLayer> preClassifier = parts.linear("pre_classifier", size, size, true);
    Slot<LinearLayer> classifier = parts.linear("classifier", size, parts.labels().count(), true);
    Slot<Layer> dropout = parts.dropout(config.seqClassifDropout());
    return (backbone, hidden, input) -> {
      try (TensorScope scope = TensorScope.open("classify")) {
        Tensor inner =
            Ops.relu(preClassifier.get().forward(preClassifier.bring(hidden.select(1, 0))));
        return scope.keep(classifier.get().forward(classifier.bring(dropout.get().forward(inner))));
      }
    };
  }

  /** {@code vocab_projector(norm(act(vocab_transform(x))))}. */
  static Head maskedLm(DistilBertConfig config, HeadParts parts) {
    long size = parts.size();
    Slot<Layer> activation =
        parts.child("activation", Layer.class, Activation.of(config.activation(), "activation"));
    Slot<LinearLayer> transform = parts.linear("vocab_transform", size, size, true);
    Slot<Layer> norm =
        parts.child(
            "vocab_layer_norm",
            Layer.class,
            new LayerNorm(size, DistilBertModel.LAYER_NORM_EPS, parts.dtype()));
    Slot<LinearLayer> projector = parts.linear("vocab_projector", size, config.vocabSize(), true);
    return new Head() {
      @Override
      public Tensor logits(Backbone backbone, Tensor hidden, BackboneInput input) {
        try (TensorScope scope = TensorScope.open("predict masked tokens")) {
          Tensor inner = activation.get().forward(transform.get().forward(transform.bring(hidden)));
          Tensor normed = norm.get().forward(norm.bring(inner));
          return scope.keep(projector.get().forward(projector.bring(normed)));
        }
      }

      @Override
      public Map<String, String> ties(String table) {
        return Map.of("vocab_projector.weight", table);
      }
    };
  }
}
