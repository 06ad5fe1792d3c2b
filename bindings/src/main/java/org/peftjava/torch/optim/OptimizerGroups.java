package org.peftjava.torch.optim;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.peftjava.torch.Tensor;

/**
 * Several optimizers that step as one: torch's {@code param_groups}, such as weights with and
 * biases without weight decay. The learning rate is that of the first group; those of the others
 * stay the same multiples of it that they are at the start.
 */
public final class OptimizerGroups implements Optimizer {
  private final List<Optimizer> groups;
  private final double[] ratios;

  /** Owns the groups from now on. Their parameters must have different names. */
  public OptimizerGroups(List<? extends Optimizer> groups) {
    if (groups.isEmpty()) {
      throw new IllegalArgumentException("OptimizerGroups needs at least one group, got none.");
    }
    this.groups = List.copyOf(groups);
    double first = learningRate();
    ratios =
        groups.stream()
            .mapToDouble(group -> group.learningRate() == first ? 1 : group.learningRate() / first)
            .toArray();
    for (double ratio : ratios) {
      if (!Double.isFinite(ratio)) {
        throw new IllegalArgumentException(
            "OptimizerGroups: the first group has the learning rate 0, others have another one, so"
                + " that there is no ratio to keep. Put a group with a positive one first.");
      }
    }
  }

  @Override
  public void step() {
    groups.forEach(Optimizer::step);
  }

  @Override
  public void zeroGrad() {
    groups.forEach(Optimizer::zeroGrad);
  }

  @Override
  public double learningRate() {
    return groups.get(0).learningRate();
  }

  @Override
  public void learningRate(double rate) {
    for (int i = 0; i < ratios.length; i++) {
      groups.get(i).learningRate(rate * ratios[i]);
    }
  }

  /** The states of all groups in one map. */
  @Override
  public Map<String, Tensor> stateDict() {
    Map<String, Tensor> result = new LinkedHashMap<>();
    groups.forEach(group -> result.putAll(group.stateDict()));
    return result;
  }

  @Override
  public void loadStateDict(Map<String, Tensor> saved) {
    groups.forEach(group -> group.loadStateDict(saved));
  }

  @Override
  public void close() {
    groups.forEach(Optimizer::close);
  }
}
