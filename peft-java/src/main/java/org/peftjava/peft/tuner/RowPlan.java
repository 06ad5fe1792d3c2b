package org.peftjava.peft.tuner;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Which adapter acts for which row while a mixed batch passes: worked out once, not by each layer.
 */
final class RowPlan {
  private final AdapterRows rows;
  private final List<String> adapters;
  private final Map<Key, RowGroups> made = new ConcurrentHashMap<>();

  /**
   * What the division of rows depends on.
   *
   * @param n rows of the layer
   * @param present the named adapters that the layer has
   */
  private record Key(long n, List<String> present) {}

  RowPlan(AdapterRows rows) {
    this.rows = rows;
    adapters = List.copyOf(rows.adapters());
  }

  /** The adapters, each once. */
  List<String> adapters() {
    return adapters;
  }

  /** How n rows of a layer divide among those of its adapters that are named. */
  RowGroups groups(long n, Set<String> ofLayer) {
    List<String> present = adapters.stream().filter(ofLayer::contains).toList();
    return made.computeIfAbsent(new Key(n, present), key -> rows.groups(n, ofLayer));
  }
}
