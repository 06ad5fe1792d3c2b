package org.peftjava.transformers.jinja;

import java.util.HashMap;
import java.util.Map;

/** The object of {@code namespace()}: the only one whose attributes a template may set. */
final class Namespace {
  private final Map<String, Object> values = new HashMap<>();

  Map<String, Object> values() {
    return values;
  }
}
