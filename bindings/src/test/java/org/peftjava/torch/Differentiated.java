package org.peftjava.torch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The value of a function and the gradients of its inputs, for one fixed gradient of the value.
 *
 * @param gradients one per input, null where it got none
 */
record Differentiated(DType type, Shape shape, float[] value, List<float @Nullable []> gradients) {

  /** Runs on copies of the inputs; those that require a gradient become leaves. */
  static Differentiated run(Function<List<Tensor>, Tensor> function, Tensor... inputs) {
    try (TensorScope scope = TensorScope.openGraph("differentiated")) {
      List<Tensor> leaves = new ArrayList<>();
      for (Tensor input : inputs) {
        leaves.add(input.detach().copy().requiresGrad(input.requiresGrad()));
      }
      Tensor value = function.apply(leaves);
      float[] values = value.toFloats();
      if (value.requiresGrad()) {
        value.backward(Values.normal(99, value.dtype(), value.shape().toArray()));
      }
      List<float @Nullable []> gradients = new ArrayList<>();
      for (Tensor leaf : leaves) {
        gradients.add(leaf.grad().map(Tensor::toFloats).orElse(null));
      }
      return new Differentiated(value.dtype(), value.shape(), values, gradients);
    }
  }

  /** The same with every floating-point input as float64. */
  static Differentiated runInDouble(Function<List<Tensor>, Tensor> function, Tensor... inputs) {
    try (TensorScope scope = TensorScope.open("double")) {
      Tensor[] wide = new Tensor[inputs.length];
      for (int i = 0; i < inputs.length; i++) {
        DType type = inputs[i].dtype().isFloatingPoint() ? DType.FLOAT64 : inputs[i].dtype();
        wide[i] = inputs[i].detach().to(type).alias();
        if (inputs[i].requiresGrad()) {
          wide[i] = wide[i].copy().requiresGrad(true);
        }
      }
      return run(function, wide);
    }
  }

  /** Asserts that another run gives these numbers. */
  void assertGives(Differentiated actual, double tolerance) {
    assertEquals(shape, actual.shape);
    Values.assertClose(value, actual.value, tolerance, "value");
    for (int i = 0; i < gradients.size(); i++) {
      float[] expected = gradients.get(i);
      if (expected == null) {
        assertArrayEquals(null, actual.gradients.get(i));
      } else {
        assertNotNull(actual.gradients.get(i), "gradient " + i);
        Values.assertClose(expected, actual.gradients.get(i), tolerance, "gradient " + i);
      }
    }
  }
}
