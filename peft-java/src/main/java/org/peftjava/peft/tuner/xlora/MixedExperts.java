package org.peftjava.peft.tuner.xlora;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.peftjava.peft.tuner.AdapterTensor;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.ScaledAdapter;
import org.peftjava.torch.Creation;
import org.peftjava.torch.Tensor;

/**
 * The LoRA adapters of one layer, mixed for each token: {@code y = base(x) + g sum_i lora_i(s_i
 * x)}.
 *
 * <p>Reference: PEFT {@code tuners/xlora/layer.py}. The adapters are files of their own.
 */
public final class MixedExperts implements LayerAdapter {
  private final XLoraRouting routing;
  private final int layer;
  private final boolean isLinear;
  private final boolean isTrained;
  private final Map<Integer, LayerAdapter> experts;

  /**
   * Those of a layer.
   *
   * @param layer its number among the adapted ones
   * @param isLinear whether it gets vectors, not ids
   * @param isTrained whether the adapters are trained too
   * @param experts the adapters that this layer has, by number
   */
  MixedExperts(
      XLoraRouting routing,
      int layer,
      boolean isLinear,
      boolean isTrained,
      Map<Integer, LayerAdapter> experts) {
    this.routing = routing;
    this.layer = layer;
    this.isLinear = isLinear;
    this.isTrained = isTrained;
    this.experts = experts;
  }

  /** The adapters that this layer has, by number. */
  public Map<Integer, LayerAdapter> experts() {
    return experts;
  }

  @Override
  public List<Weight> weights() {
    List<Weight> result = new ArrayList<>();
    experts.forEach(
        (number, expert) ->
            expert
                .weights()
                .forEach(
                    weight -> {
                      Role role =
                          weight.role() == Role.TRAINED && !isTrained ? Role.FROZEN : weight.role();
                      result.add(
                          new Weight(
                              weight.group() + "_" + number,
                              weight.leaf(),
                              weight.parameter(),
                              role,
                              number + "." + weight.fileName()));
                    }));
    return result;
  }

  /** Those of the adapters, with which scaling pass and final pass grow or shrink together. */
  @Override
  public List<ScaledAdapter> scales() {
    return experts.values().stream().map(LayerAdapter::scales).flatMap(List::stream).toList();
  }

  @Override
  public Map<String, AdapterTensor> saved() {
    return Map.of();
  }

  @Override
  public boolean mixesBatches() {
    return false;
  }

  @Override
  public Tensor afterBase(Tensor x, Tensor y, boolean training) {
    Tensor shares = routing.shares(layer);
    double weight = routing.globalWeight();
    Tensor sum = y;
    for (Map.Entry<Integer, LayerAdapter> entry : experts.entrySet()) {
      Tensor share = column(shares.select(-1, entry.getKey()), x, isLinear);
      LayerAdapter expert = entry.getValue();
      if (isLinear && weight == 1) {
        sum = expert.afterBase(x.mul(share), sum, training);
      } else {
        Tensor nothing = Creation.zeros(y.dtype(), y.shape().toArray()).to(y.device());
        Tensor update =
            isLinear
                ? expert.afterBase(x.mul(share), nothing, training)
                : expert.afterBase(x, nothing, training).mul(share);
        sum = sum.add(update.mul(weight));
      }
    }
    return sum;
  }

  /**
   * Shares (b, t) beside what a layer gets: (b, t, 1), or (b t, 1) where it gets tokens as rows.
   */
  private static Tensor column(Tensor share, Tensor x, boolean isLinear) {
    long[] sizes = x.shape().toArray();
    long[] result = new long[isLinear ? sizes.length : sizes.length + 1];
    System.arraycopy(sizes, 0, result, 0, result.length - 1);
    result[result.length - 1] = 1;
    return share.reshape(result);
  }

  @Override
  public Tensor mergedInto(Tensor weight) {
    throw notOneWeight();
  }

  @Override
  public Tensor removedFrom(Tensor weight) {
    throw notOneWeight();
  }

  private static UnsupportedOperationException notOneWeight() {
    return new UnsupportedOperationException(
        "X-LoRA changes the weight for each token otherwise and cannot be merged. Save the adapter"
            + " and load it with the model.");
  }
}
