package org.peftjava.torch.nn;

import java.util.Optional;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;

/**
 * A linear map {@code y = x W^T + b} over any kind of weight: full precision, transposed,
 * quantized, adapted.
 *
 * <p>Shapes: {@code d} input features, {@code o} output features.
 */
public interface LinearLayer extends Layer {
  /** Input features d. */
  long inFeatures();

  /** Output features o. */
  long outFeatures();

  /** Applies the map. {@code x} is (..., d); returns (..., o). */
  @Override
  Tensor forward(Tensor x);

  /**
   * The weight as a fresh dense tensor (o, d) of this type, outside the graph. Owned by the current
   * scope.
   */
  Tensor denseWeight(DType type);

  /**
   * Replaces the weight's values by those of a dense (o, d) tensor, converting to the stored kind.
   */
  void replaceWeight(Tensor dense);

  /** Whether a weight that was replaced comes back as it was: a quantized one is rounded. */
  default boolean keepsWhatReplaces() {
    return true;
  }

  /**
   * For a layer that does not keep what replaces its weight: a dense one of this type with copies
   * of its values, to be trained in its place. Empty for others.
   */
  default Optional<Module> denseCopy(DType type) {
    return Optional.empty();
  }

  /**
   * The type in which a change of the weight is computed before {@link #replaceWeight}: the
   * weight's own, or float32 for a quantized one.
   */
  default DType changeDtype() {
    return computeDtype();
  }

  /** The bias (o), if there is one. */
  Optional<Parameter> bias();

  /**
   * The type in which results are computed: the weight's own type, or a quantized weight's compute
   * type.
   */
  DType computeDtype();
}
