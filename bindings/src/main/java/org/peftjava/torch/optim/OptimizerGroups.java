package org.peftjava.torch.optim;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.peftjava.torch.Tensor;

/**
 * Several optimizers that step as one: torch's {@code param_groups}, such as weights with and
 * biases without weight decay. All groups have one learning rate.
 */
public final class OptimizerGroups implements Optimizer {
  private final List<Optimizer> groups;

  /** Owns the groups from now on. Their parameters must have different names. */
  public OptimizerGroups(List<? extends Optimizer> groups) {
    if (groups.isEmpty()) {
      throw new IllegalArgumentException("OptimizerGroups needs at least one group, got none.");
    }
    this.groups = List.copyOf(groups);
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
    groups.forEach(group -> group.learningRate(rate));
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
