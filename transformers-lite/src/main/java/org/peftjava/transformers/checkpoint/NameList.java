package org.peftjava.transformers.checkpoint;

import java.util.Collection;
import java.util.stream.Collectors;

/** The first names of a collection, for error messages. */
final class NameList {
  private static final int SHOWN = 5;

  private NameList() {}

  static String of(Collection<String> names) {
    String first = names.stream().limit(SHOWN).collect(Collectors.joining(", "));
    return names.size() <= SHOWN
        ? "[" + first + "]"
        : names.size() + " names: [" + first + ", ...]";
  }
}
