package org.peftjava.quant;

import java.util.Map;
import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * A weight matrix (o, d) that is kept in fewer bits than it is computed in.
 *
 * <p>It owns its memory through the parameters of {@link #state}; a layer registers them, so that
 * they are moved, counted and saved with the module tree.
 */
public interface QuantizedWeight extends AutoCloseable {
  /** The sizes (o, d) of the dense matrix. */
  Shape shape();

  /** The type of the dense matrix that it was made from. */
  DType dtype();

  /**
   * The dense matrix (o, d) as a fresh tensor of a floating-point type, outside the graph. Owned by
   * the current scope.
   */
  Tensor dequantize(DType type);

  /**
   * Replaces the values by those of a dense (o, d) matrix of any floating-point type. If that
   * fails, the old values stay.
   *
   * @throws IllegalArgumentException for another shape, an integer type, NaN or infinite values
   */
  void requantize(Tensor dense);

  /**
   * The tensors by the names that they have in a checkpoint, relative to the layer: "weight" and
   * what belongs to it. {@link #requantize} may put another object in a parameter's place.
   */
  Map<String, Parameter> state();

  /** Bytes of native memory held. */
  default long bytes() {
    return state().values().stream().mapToLong(p -> p.numel() * p.dtype().byteSize()).sum();
  }

  /** Frees the native memory. */
  @Override
  default void close() {
    state().values().forEach(Parameter::close);
  }
}
