package org.peftjava.transformers.training;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * The {@code optimArgs} of an optimizer: "momentum=0.9, nesterov=true".
 *
 * @param values texts by Python's names
 */
record OptimizerArgs(Map<String, String> values) {
  private static final Set<String> TRUE = Set.of("true", "1", "yes");

  /** Fails if the optimizer does not know one of them. */
  static OptimizerArgs of(TrainingArguments args) {
    Map<String, String> values = parse(args.optimArgs());
    Set<String> known =
        switch (args.optim()) {
          case SGD -> Set.of("momentum", "dampening", "nesterov");
          case ADAGRAD -> Set.of("lr_decay", "eps");
          case RMSPROP -> Set.of("momentum", "alpha", "eps", "centered");
          default -> Set.of();
        };
    Set<String> unknown = new TreeSet<>(values.keySet());
    unknown.removeAll(known);
    if (!unknown.isEmpty()) {
      throw new IllegalArgumentException(
          "optimArgs has "
              + unknown
              + ", which the optimizer "
              + args.optim()
              + " does not take from there. It takes "
              + new TreeSet<>(known)
              + "; weight decay and AdamW's numbers are arguments of their own.");
    }
    return new OptimizerArgs(values);
  }

  private static Map<String, String> parse(String text) {
    Map<String, String> values = new LinkedHashMap<>();
    String plain = text.replace(" ", "");
    if (plain.isEmpty()) {
      return values;
    }
    for (String mapping : plain.split(",", -1)) {
      String[] parts = mapping.split("=", -1);
      if (parts.length != 2) {
        throw new IllegalArgumentException(
            "optimArgs is \"" + text + "\". Expected \"name=value, name=value\".");
      }
      values.put(parts[0], parts[1]);
    }
    return values;
  }

  double number(String name, double fallback) {
    String value = values.get(name);
    try {
      return value == null ? fallback : Double.parseDouble(value);
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          "optimArgs: " + name + " is \"" + value + "\". Expected a number.", e);
    }
  }

  boolean flag(String name) {
    return TRUE.contains(values.getOrDefault(name, "").toLowerCase(Locale.ROOT));
  }
}
