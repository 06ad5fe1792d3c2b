package org.peftjava.peft;

import java.util.Collection;
import java.util.Locale;

/** Whether the parameters of an adapter are trained now: all, none, or some. */
public enum RequiresGrad {
  /** All of them. */
  TRUE,
  /** None. */
  FALSE,
  /** Some: their {@code requiresGrad} was changed one by one, or layers disagree. */
  IRREGULAR;

  static RequiresGrad of(Collection<Boolean> values) {
    return values.contains(false) ? values.contains(true) ? IRREGULAR : FALSE : TRUE;
  }

  static RequiresGrad merged(RequiresGrad a, RequiresGrad b) {
    return a == b ? a : IRREGULAR;
  }

  /** Python's value as text. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
