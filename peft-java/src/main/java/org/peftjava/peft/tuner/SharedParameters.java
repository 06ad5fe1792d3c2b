package org.peftjava.peft.tuner;

import java.util.IdentityHashMap;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/** Parameters that stand in more than one place of a module tree. */
final class SharedParameters {
  private final IdentityHashMap<Parameter, Integer> places = new IdentityHashMap<>();

  /** Those of this tree. */
  static SharedParameters of(Module root) {
    SharedParameters result = new SharedParameters();
    root.namedState().values().forEach(value -> result.places.merge(value, 1, Integer::sum));
    return result;
  }

  /** Gives up one place of a parameter, unless it is the last one. Says whether it did. */
  boolean leave(Parameter parameter) {
    int count = places.getOrDefault(parameter, 1);
    places.put(parameter, Math.max(1, count - 1));
    return count > 1;
  }
}
