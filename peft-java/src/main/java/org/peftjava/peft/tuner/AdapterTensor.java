package org.peftjava.peft.tuner;

import java.util.function.Consumer;
import java.util.function.Supplier;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * One entry of an adapter's file: mostly a parameter, sometimes what is computed from parameters.
 *
 * @param shape its sizes
 * @param read its values, owned by the current scope
 * @param write takes over values of this shape, by copying
 */
public record AdapterTensor(Shape shape, Supplier<Tensor> read, Consumer<Tensor> write) {
  /** A parameter. */
  public static AdapterTensor of(Parameter parameter) {
    return new AdapterTensor(
        parameter.shape(), () -> parameter.tensor().detach(), parameter::copyFrom);
  }
}
