package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.List;
import java.util.ServiceLoader;
import java.util.stream.Collectors;
import org.peftjava.peft.tuner.lora.LoraMethod;

/** All tuning methods: one line each. Others join through {@link ServiceLoader}. */
public final class TunerMethods {
  private static final List<TunerMethod<?>> METHODS = methods();

  private TunerMethods() {}

  /** The method with this {@code peft_type}. */
  public static TunerMethod<?> get(String peftType) {
    return METHODS.stream()
        .filter(method -> method.peftType().equals(peftType))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "Unknown peft_type \""
                        + peftType
                        + "\". Known: "
                        + METHODS.stream()
                            .map(TunerMethod::peftType)
                            .collect(Collectors.joining(", "))
                        + "."));
  }

  private static List<TunerMethod<?>> methods() {
    List<TunerMethod<?>> result = new ArrayList<>();
    result.add(new LoraMethod());
    for (TunerMethod<?> found : ServiceLoader.load(TunerMethod.class)) {
      result.add(found);
    }
    return List.copyOf(result);
  }
}
