package org.peftjava.peft.tuner;

import java.util.Optional;
import org.peftjava.torch.DType;
import org.peftjava.torch.Device;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Linear;

/** Places for adapters of single methods. */
public final class Sites {
  private Sites() {}

  /** A layer without memory and what its adapter is told about it. */
  public static LayerSite linear(long in, long out) {
    Linear layer = new Linear(in, out, true, DType.FLOAT32);
    return new LayerSite(
        "layers.0.fc",
        layer,
        DType.FLOAT32,
        DType.FLOAT32,
        Device.CPU,
        SharedWeights.NONE,
        new BaseChanges(),
        false,
        Optional::empty);
  }

  /** Gives every weight of an adapter values in [-0.5, 0.5]. */
  public static void fill(LayerAdapter adapter) {
    try (TensorScope scope = TensorScope.open("fill")) {
      adapter
          .weights()
          .forEach(weight -> weight.parameter().tensor().detach().uniformInPlace(-0.5, 0.5));
    }
  }

  /** Frees the weights. */
  public static void close(LayerAdapter adapter) {
    adapter.weights().forEach(weight -> weight.parameter().close());
  }
}
