package org.peftjava.transformers.jinja;

import java.util.List;
import java.util.Map;

/** {@code value.name} and {@code value[key]}. */
final class Attributes {
  private Attributes() {}

  /** Python's attribute first, then the item of that name. */
  static Object attribute(Object value, String name, Budget budget) {
    budget.step();
    if (value instanceof Undefined undefined) {
      throw undefined.error();
    }
    Object method = method(value, name);
    if (!(method instanceof Undefined)) {
      return method;
    }
    return value instanceof Map<?, ?> map ? found(map, name) : method;
  }

  /** The item first, then Python's attribute of that name. */
  static Object item(Object value, Object key, Budget budget) {
    budget.step();
    if (value instanceof Undefined undefined) {
      throw undefined.error();
    }
    if (value instanceof Map<?, ?> map && map.containsKey(Values.key(key))) {
      return found(map, key);
    }
    if (key instanceof String name) {
      return method(value, name);
    }
    if (key instanceof Long index) {
      if (value instanceof String text) {
        long length = text.codePointCount(0, text.length());
        long place = index < 0 ? index + length : index;
        if (place >= 0 && place < length) {
          int at = text.offsetByCodePoints(0, (int) place);
          return Character.toString(text.codePointAt(at));
        }
      } else if (value instanceof List<?> || value instanceof Tuple) {
        List<Object> items = Values.items(value, budget);
        long place = index < 0 ? index + items.size() : index;
        if (place >= 0 && place < items.size()) {
          return items.get((int) place);
        }
      }
    }
    return missing(value, Values.str(key, budget));
  }

  private static Object found(Map<?, ?> map, Object key) {
    Object value = map.get(key);
    return value == null ? missing(map, String.valueOf(key)) : value;
  }

  private static Object method(Object value, String name) {
    if (value instanceof Namespace namespace) {
      Object found = namespace.values().get(name);
      return found == null ? missing(value, name) : found;
    }
    if (value instanceof LoopVariable loop) {
      return loop.attribute(name);
    }
    if (value instanceof MacroFunction macro) {
      return macro.attribute(name);
    }
    if (value instanceof String text) {
      return StringMethods.named(text, name).map(Object.class::cast).orElse(missing(value, name));
    }
    return CollectionMethods.named(value, name)
        .map(Object.class::cast)
        .orElse(missing(value, name));
  }

  static Undefined missing(Object value, String name) {
    return new Undefined(Values.typeName(value) + " object' has no attribute '" + name);
  }
}
