package org.peftjava.peft.io;

import java.util.function.UnaryOperator;

/**
 * What may be wrong with the weights of an adapter that are loaded.
 *
 * @param lenient whether keys that are missing or have no place are only warned about
 * @param ignoreMismatchedSizes whether values of other sizes are left out with a warning
 * @param names turns a key of the file into the one that it has for this model
 */
public record LoadRules(
    boolean lenient, boolean ignoreMismatchedSizes, UnaryOperator<String> names) {
  /** Nothing may be wrong. */
  public static final LoadRules STRICT = new LoadRules(false, false, key -> key);

  /** The same for keys that something else has changed before. */
  public LoadRules after(UnaryOperator<String> earlier) {
    return new LoadRules(lenient, ignoreMismatchedSizes, key -> names.apply(earlier.apply(key)));
  }
}
