package org.peftjava.peft.tuner;

import java.util.List;
import java.util.Optional;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * One adapter over one layer: the mathematics of a tuning method, and nothing else.
 *
 * <p>{@link AdaptedLayer} decides when it acts, converts types, and closes its parameters.
 */
public interface LayerAdapter {
  /**
   * A parameter and where it stands in names: {@code <layer>.<group>.<adapter>[.<leaf>]}.
   *
   * @param group such as "lora_A"
   * @param leaf such as "weight", or empty
   */
  record Weight(String group, String leaf, Parameter parameter) {
    /** The name in a file, below the layer: without the adapter. */
    public String fileName() {
      return leaf.isEmpty() ? group : group + "." + leaf;
    }
  }

  /** The parameters. */
  List<Weight> weights();

  /** Changes what the layer gets. */
  default Tensor beforeBase(Tensor x) {
    return x;
  }

  /**
   * Changes what the layer gives.
   *
   * @param x what the layer got: (..., d), or ids for an embedding
   * @param y what it gave, (..., o): a fresh tensor, whose memory may be reused
   * @param training whether dropout is on
   */
  Tensor afterBase(Tensor x, Tensor y, boolean training);

  /** The weight with this adapter in it, of the same type; {@code weight} may be overwritten. */
  Tensor mergedInto(Tensor weight);

  /** The reverse of {@link #mergedInto}. */
  Tensor removedFrom(Tensor weight);

  /** What merging adds to the layer's bias, if anything. */
  default Optional<Tensor> biasChange() {
    return Optional.empty();
  }
}
