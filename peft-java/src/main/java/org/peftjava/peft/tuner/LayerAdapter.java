package org.peftjava.peft.tuner;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import org.peftjava.torch.LowRankUpdate;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Parameter;

/**
 * One adapter over one layer: the mathematics of a tuning method, and nothing else.
 *
 * <p>{@link AdaptedLayer} decides when it acts, converts types, and closes its parameters.
 */
public interface LayerAdapter {
  /** What becomes of a weight. */
  enum Role {
    /** Trained and saved. */
    TRAINED,
    /** A parameter that is saved and never trained. */
    FROZEN,
    /** A parameter that is made again from the config, never trained and not saved. */
    CONSTANT,
    /** A buffer: saved, never trained, and not counted among the parameters. */
    BUFFER,
    /** A buffer that is made again from the config and not saved. */
    DERIVED,
    /** Another layer's weight, with which this one is tied: trained and saved there. */
    TIED
  }

  /**
   * A parameter and where it stands in names: {@code <layer>.<group>.<adapter>[.<leaf>]}.
   *
   * @param group such as "lora_A"
   * @param leaf such as "weight", or empty
   * @param fileName the name in a file, below the layer: without the adapter
   */
  record Weight(String group, String leaf, Parameter parameter, Role role, String fileName) {
    /** A weight with its usual name in files. */
    public Weight(String group, String leaf, Parameter parameter, Role role) {
      this(group, leaf, parameter, role, leaf.isEmpty() ? group : group + "." + leaf);
    }

    /** A trained weight. */
    public Weight(String group, String leaf, Parameter parameter) {
      this(group, leaf, parameter, Role.TRAINED);
    }

    /** Whether files hold it. */
    public boolean isSaved() {
      return role != Role.DERIVED && role != Role.TIED && role != Role.CONSTANT;
    }

    /** Whether it is trained, here or where it belongs. */
    boolean isTrained() {
      return role == Role.TRAINED || role == Role.TIED;
    }

    /** Whether it is a parameter, not a buffer. */
    boolean isParameter() {
      return role != Role.BUFFER && role != Role.DERIVED;
    }
  }

  /** The parameters. */
  List<Weight> weights();

  /**
   * What in this adapter has a strength that can be changed: itself, some that it mixes, or none.
   */
  default List<ScaledAdapter> scales() {
    return this instanceof ScaledAdapter scaled ? List.of(scaled) : List.of();
  }

  /**
   * Called when the adapter has taken its place in a layer.
   *
   * @param all the layer's adapters by name, itself too; those that come and go later as well
   */
  default void joined(Map<String, LayerAdapter> all) {}

  /** What a file holds of this adapter, by its names there below the layer. */
  default Map<String, AdapterTensor> saved() {
    Map<String, AdapterTensor> result = new LinkedHashMap<>();
    weights().stream()
        .filter(Weight::isSaved)
        .forEach(weight -> result.put(weight.fileName(), AdapterTensor.of(weight.parameter())));
    return result;
  }

  /**
   * Whether the last of several such adapters that act together changes the input first. Those that
   * multiply the weight by a matrix do, one after the other in order: the input meets the last
   * factor first.
   */
  default boolean lastFirst() {
    return false;
  }

  /**
   * Changes what the layer gets. The result is converted to the type of x.
   *
   * @param x what the layer gets: (..., d), or ids for an embedding
   * @param training whether dropout is on
   */
  default Tensor beforeBase(Tensor x, boolean training) {
    return x;
  }

  /** The base layer's output; what stands for its parameters meanwhile is the adapter's choice. */
  default Tensor aroundBase(Supplier<Tensor> base) {
    return base.get();
  }

  /** Whether merging changes parameters of the layer by name, with {@link #addToParameters}. */
  default boolean changesParameters() {
    return false;
  }

  /**
   * Adds the adapter's change to parameters of the layer.
   *
   * @param sign 1 to merge, -1 to unmerge
   * @param safe whether to do nothing if a sum is not finite
   * @return whether it was done
   */
  default boolean addToParameters(double sign, boolean safe) {
    return false;
  }

  /**
   * Changes what the layer gives.
   *
   * @param x what the base layer got: (..., d), or ids for an embedding
   * @param y what it gave, (..., o): a fresh tensor, whose memory may be reused
   * @param training whether dropout is on
   */
  Tensor afterBase(Tensor x, Tensor y, boolean training);

  /**
   * The same for adapters whose change depends on what the base layer gave, which is not y where
   * others act too. These leave y's memory alone.
   *
   * @param base what the base layer gave
   */
  default Tensor afterBase(Tensor x, Tensor y, Tensor base, boolean training) {
    return afterBase(x, y, training);
  }

  /**
   * The matrices of {@code s B A}, if {@code s B A x} is all that this adapter adds outside
   * training: rows of a batch with such adapters are computed together.
   */
  default Optional<LowRankUpdate.Matrices> lowRank() {
    return Optional.empty();
  }

  /**
   * Called before each {@link #mergedInto}, for methods whose change depends on the weight.
   *
   * @param unmerged gives the weight without any adapter in it, fresh
   */
  default void prepareMerge(Supplier<Tensor> unmerged) {}

  /**
   * Called before each {@link #mergedIntoBias}, for methods whose change depends on the bias.
   *
   * @param unmerged gives the bias without any adapter in it, fresh
   */
  default void prepareMergeOfBias(Supplier<Tensor> unmerged) {}

  /** Called when this adapter is no longer part of the weight and the bias. */
  default void afterUnmerge() {}

  /** The weight with this adapter in it, of the same type; {@code weight} may be overwritten. */
  Tensor mergedInto(Tensor weight);

  /**
   * The reverse of {@link #mergedInto}; also called for a copy of the weight while the adapter
   * stays merged.
   */
  Tensor removedFrom(Tensor weight);

  /**
   * What this adapter adds to the weight of a linear layer, (o, d), if that is all it does; outside
   * the graph.
   */
  default Optional<Tensor> weightChange() {
    return Optional.empty();
  }

  /** The change of {@link #weightChange} as the product of matrices that are known exactly. */
  default Optional<LowRankUpdate.Matrices> weightFactors() {
    return Optional.empty();
  }

  /**
   * Whether the rows of a batch can be computed apart from each other, so that each can have its
   * own adapter.
   */
  default boolean mixesBatches() {
    return true;
  }

  /**
   * Whether it acts only for tokens from its invocation on, see {@link InvokedTokens}; the layer
   * gives it no others.
   */
  default boolean waitsForInvocation() {
    return false;
  }

  /** Whether merging needs a bias in the layer, because there is something to add to it. */
  default boolean needsBias() {
    return false;
  }

  /** Throws if this adapter cannot act, or be merged, together with another one of the layer. */
  default void checkBeside(LayerAdapter other) {}

  /**
   * Whether merging changes all layers that share the weight alike, so that they go on sharing it.
   */
  default boolean keepsTies() {
    return false;
  }

  /** The layer's bias with this adapter in it; {@code bias} may not be overwritten. */
  default Tensor mergedIntoBias(Tensor bias) {
    return bias;
  }

  /** The reverse of {@link #mergedIntoBias}. */
  default Tensor removedFromBias(Tensor bias) {
    return bias;
  }
}
