package org.peftjava.transformers.model;

import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Activation;
import org.peftjava.torch.nn.Dropout;
import org.peftjava.torch.nn.Layer;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Slot;

/**
 * Judges texts by their first token: {@code out_proj(act(dense(x)))}, with dropout before each map.
 *
 * <p>Reference: {@code RobertaClassificationHead}, {@code ElectraClassificationHead}.
 */
public final class FirstTokenClassifier extends Module {
  private final Slot<LinearLayer> dense;
  private final Slot<Layer> dropout;
  private final Slot<LinearLayer> outProj;
  private final Activation activation;

  private FirstTokenClassifier(String activation, double probability, HeadParts parts) {
    long size = parts.size();
    long labels = parts.labels().count();
    this.activation = Activation.of(activation, "activation");
    dense = child("dense", LinearLayer.class, new Linear(size, size, true, parts.dtype()));
    dropout = child("dropout", Layer.class, new Dropout(probability));
    outProj = child("out_proj", LinearLayer.class, new Linear(size, labels, true, parts.dtype()));
  }

  /**
   * Registers the head under the name "classifier".
   *
   * @param activation name of the nonlinearity
   * @param dropout probability while training
   */
  public static Head head(String activation, double dropout, HeadParts parts) {
    Slot<FirstTokenClassifier> classifier =
        parts.child(
            "classifier",
            FirstTokenClassifier.class,
            new FirstTokenClassifier(activation, dropout, parts));
    return (backbone, hidden, input) -> classifier.get().forward(classifier.bring(hidden));
  }

  private Tensor forward(Tensor hidden) {
    try (TensorScope scope = TensorScope.open("classifier")) {
      Tensor first = dropout.get().forward(hidden.select(1, 0));
      Tensor inner = activation.forward(dense.get().forward(first));
      return scope.keep(outProj.get().forward(dropout.get().forward(inner)));
    }
  }
}
