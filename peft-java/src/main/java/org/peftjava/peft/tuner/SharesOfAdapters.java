package org.peftjava.peft.tuner;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Function;

/** What the layers of each adapter share, and the groups that show it below the model. */
final class SharesOfAdapters {
  private final Map<String, SharedWeights> shares = new LinkedHashMap<>();
  private final Function<String, WeightGroup> groups;

  /**
   * @param groups finds the group of a name below the model, or makes it
   */
  SharesOfAdapters(Function<String, WeightGroup> groups) {
    this.groups = groups;
  }

  Map<String, SharedWeights> all() {
    return shares;
  }

  void add(String adapter, SharedWeights weights) {
    shares.put(adapter, weights);
    weights.weights().forEach(weight -> groups.apply(weight.group()).put(adapter, weight));
  }

  /** Takes an adapter's out of the groups and frees it. */
  void remove(String adapter) {
    SharedWeights weights = shares.remove(adapter);
    if (weights != null) {
      weights.weights().forEach(weight -> groups.apply(weight.group()).remove(adapter));
      weights.close();
    }
  }
}
