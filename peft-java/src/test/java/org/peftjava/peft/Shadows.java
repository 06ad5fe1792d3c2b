package org.peftjava.peft;

import com.google.common.primitives.Longs;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Values for adapters of ShadowPEFT, as {@code goldens/shadow.py} makes them. */
final class Shadows {
  private Shadows() {}

  /** Gives every trained parameter the values of its name; returns their shapes by name. */
  static Map<String, List<Long>> fill(PeftModel model) {
    Map<String, List<Long>> result = new TreeMap<>();
    model
        .namedParameters()
        .forEach(
            (name, parameter) -> {
              if (parameter.requiresGrad()) {
                long[] shape = parameter.shape().toArray();
                parameter.copyFrom(Goldens.value(name, shape));
                result.put(name, Longs.asList(shape));
              }
            });
    model.eval();
    return result;
  }
}
