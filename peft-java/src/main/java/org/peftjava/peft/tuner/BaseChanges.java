package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.LinearLayer;

/**
 * Changes of base weights that come with a new adapter, such as the residual that PiSSA leaves.
 * They wait until the adapter is complete, so that an error leaves the model as it was.
 */
public final class BaseChanges implements AutoCloseable {
  private final List<Change> changes = new ArrayList<>();

  private record Change(LinearLayer layer, List<Tensor> held, UnaryOperator<Tensor> weight) {}

  /**
   * Adds a change.
   *
   * @param held tensors that the change needs; they belong to this object from now on
   * @param weight makes the new weight of the present one, both float32 (o, d); the present one may
   *     be overwritten
   */
  public void add(LinearLayer layer, List<Tensor> held, UnaryOperator<Tensor> weight) {
    held.forEach(Tensor::escape);
    changes.add(new Change(layer, List.copyOf(held), weight));
  }

  /** Whether no base weight changes. */
  public boolean isEmpty() {
    return changes.isEmpty();
  }

  /** The layers that change. */
  List<LinearLayer> layers() {
    return changes.stream().map(Change::layer).toList();
  }

  /** Makes the changes. */
  void apply() {
    for (Change change : changes) {
      try (TensorScope scope = TensorScope.open("change of a base weight");
          GradMode off = GradMode.noGrad()) {
        LinearLayer layer = change.layer();
        layer.replaceWeight(change.weight().apply(layer.denseWeight(DType.FLOAT32)));
      }
    }
  }

  @Override
  public void close() {
    changes.stream().flatMap(change -> change.held().stream()).forEach(Tensor::close);
    changes.clear();
  }
}
