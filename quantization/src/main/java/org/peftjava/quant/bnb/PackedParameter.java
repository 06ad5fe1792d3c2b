package org.peftjava.quant.bnb;

import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Parameter;

/** Makes parameters that hold a part of a quantized weight: of fixed type, never trained. */
final class PackedParameter {
  private PackedParameter() {}

  /** One that takes over values. */
  static Parameter of(Tensor values) {
    Parameter parameter = unloaded(values.dtype(), values.shape());
    parameter.adopt(values);
    return parameter;
  }

  /** One that waits for its values. */
  static Parameter unloaded(DType type, Shape shape) {
    Parameter parameter = new Parameter(shape, type, Init.zeros()).fixDtype();
    parameter.requiresGrad(false);
    return parameter;
  }
}
