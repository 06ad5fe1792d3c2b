package org.peftjava.transformers.jinja;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The variables that a part of a template sees: its own and those around it. */
final class Scope {
  private final @Nullable Scope parent;
  private final Map<String, Object> values = new HashMap<>();
  private final Budget budget;

  Scope(Map<String, Object> values, Budget budget) {
    parent = null;
    this.budget = budget;
    this.values.putAll(values);
  }

  private Scope(Scope parent) {
    this.parent = parent;
    budget = parent.budget;
  }

  Scope inner() {
    return new Scope(this);
  }

  Budget budget() {
    return budget;
  }

  void set(String name, Object value) {
    values.put(name, value);
  }

  Object get(String name) {
    for (Scope scope = this; scope != null; scope = scope.parent) {
      Object value = scope.values.get(name);
      if (value != null) {
        return value;
      }
    }
    return new Undefined(name);
  }
}
