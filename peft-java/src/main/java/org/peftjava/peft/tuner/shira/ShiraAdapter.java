package org.peftjava.peft.tuner.shira;

import java.util.List;
import org.peftjava.peft.tuner.DeltaAdapter;
import org.peftjava.torch.Creation;
import org.peftjava.torch.DType;
import org.peftjava.torch.Ops;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * SHiRA over a linear layer: D is zero except at n fixed places.
 *
 * <p>Paper: arXiv:2406.13175. Reference: PEFT {@code tuners/shira/layer.py::Linear}. Shapes: values
 * (n), places (2, n) int32: rows, then columns.
 */
final class ShiraAdapter extends DeltaAdapter {
  private final Parameter values;
  private final Parameter places;
  private final long out;
  private final long in;

  ShiraAdapter(Parameter values, Parameter places, long out, long in) {
    this.values = values;
    this.places = places;
    this.out = out;
    this.in = in;
  }

  @Override
  public List<Weight> weights() {
    return List.of(
        new Weight("shira_weight", "", values),
        new Weight("shira_indices", "", places, Role.BUFFER));
  }

  @Override
  protected Tensor delta(boolean training) {
    Tensor index = places.tensor().to(DType.INT64);
    Tensor flat = index.select(0, 0).mul((double) in).add(index.select(0, 1));
    Tensor zeros = Creation.zeros(values.dtype(), flat.device(), out * in);
    return Ops.scatterAdd(zeros, 0, flat, values.tensor()).reshape(out, in);
  }
}
