package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.List;
import java.util.ServiceLoader;
import org.peftjava.peft.tuner.ia3.IA3Method;
import org.peftjava.peft.tuner.loha.LoHaMethod;
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
                        + String.join(", ", peftTypes())
                        + "."));
  }

  /** The {@code peft_type}s of all methods. */
  public static List<String> peftTypes() {
    return METHODS.stream().<String>map(TunerMethod::peftType).toList();
  }

  private static List<TunerMethod<?>> methods() {
    List<TunerMethod<?>> result = new ArrayList<>();
    result.add(new IA3Method());
    result.add(new LoHaMethod());
    result.add(new LoraMethod());
    for (TunerMethod<?> found : ServiceLoader.load(TunerMethod.class)) {
      result.add(found);
    }
    return List.copyOf(result);
  }
}
