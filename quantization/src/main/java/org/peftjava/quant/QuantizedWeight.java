package org.peftjava.quant;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * A weight matrix (o, d) that is kept in fewer bits than it is computed in, and all arithmetic with
 * it.
 *
 * <p>It owns its memory through the parameters of {@link #state}; a layer registers them, so that
 * they are moved, counted and saved with the module tree.
 */
public interface QuantizedWeight extends AutoCloseable {
  /** The name of the packed matrix in {@link #state}. */
  String WEIGHT = "weight";

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
   * {@code x W^T + bias}, outside the graph. Owned by the current scope.
   *
   * @param x (..., d) of the type to compute in
   * @param bias (o) of x's type, or null
   * @param training whether the product is part of training, where a format may be more exact
   * @return (..., o) of x's type
   */
  Tensor product(Tensor x, @Nullable Tensor bias, boolean training);

  /**
   * {@code gradient W}, outside the graph: the gradient of {@link #product} for x. Owned by the
   * current scope.
   *
   * @param gradient (..., o)
   * @return (..., d) of the gradient's type
   */
  Tensor inputGradient(Tensor gradient);

  /**
   * Replaces the values by those of a dense (o, d) matrix of any floating-point type. If that
   * fails, the old values stay.
   *
   * @throws IllegalArgumentException for another shape, an integer type, NaN or infinite values
   */
  void requantize(Tensor dense);

  /**
   * Checks values that came from a file.
   *
   * @param path of the layer, for the message
   * @throws IllegalArgumentException if they are none that {@link #requantize} could have written
   */
  void checkLoaded(String path);

  /**
   * The tensors by the names that they have in a checkpoint, relative to the layer: {@link #WEIGHT}
   * and what belongs to it. {@link #requantize} may put another object in a parameter's place.
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
