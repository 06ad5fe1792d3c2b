package org.peftjava.transformers.jinja;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** The methods of Python's dict, list and tuple that change nothing; as in jinja2's sandbox. */
final class CollectionMethods {
  private static final Set<String> CHANGING =
      Set.of(
          "append",
          "clear",
          "extend",
          "insert",
          "pop",
          "popitem",
          "remove",
          "reverse",
          "setdefault",
          "sort",
          "update");

  private CollectionMethods() {}

  static Optional<Callable> named(Object value, String name) {
    boolean isList = value instanceof List<?>;
    if ((isList || value instanceof Map<?, ?>) && CHANGING.contains(name)) {
      return Optional.of(
          arguments -> {
            throw new JinjaException("a template must not change a value: '" + name + "'");
          });
    }
    if (value instanceof Map<?, ?> map) {
      return dict(Values.cast(map), name);
    }
    return isList || value instanceof Tuple ? list(value, name) : Optional.empty();
  }

  private static Optional<Callable> dict(Map<Object, Object> map, String name) {
    return Optional.ofNullable(
        switch (name) {
          case "get" ->
              arguments -> {
                Object found = map.get(Values.key(arguments.get(0, "key")));
                return found == null ? arguments.get(1, "default", None.NONE) : found;
              };
          case "items" -> arguments -> items(map, arguments.budget());
          case "keys" -> arguments -> Values.items(map, arguments.budget());
          case "values" -> arguments -> new ArrayList<>(map.values());
          case "copy" -> arguments -> new LinkedHashMap<>(map);
          default -> null;
        });
  }

  static List<Object> items(Map<Object, Object> map, Budget budget) {
    budget.make(map.size());
    List<Object> items = new ArrayList<>(map.size());
    map.forEach((key, value) -> items.add(new Tuple(List.of(key, value))));
    return items;
  }

  private static Optional<Callable> list(Object value, String name) {
    return Optional.ofNullable(
        switch (name) {
          case "index" -> arguments -> index(value, arguments);
          case "count" ->
              arguments -> {
                Object item = arguments.get(0, "value");
                return Values.items(value, arguments.budget()).stream()
                    .filter(other -> Operators.isEqual(other, item, arguments.budget()))
                    .count();
              };
          case "copy" -> arguments -> new ArrayList<>(Values.items(value, arguments.budget()));
          default -> null;
        });
  }

  private static Object index(Object value, Arguments arguments) {
    Object item = arguments.get(0, "value");
    List<Object> items = Values.items(value, arguments.budget());
    for (int i = 0; i < items.size(); i++) {
      if (Operators.isEqual(items.get(i), item, arguments.budget())) {
        return (long) i;
      }
    }
    throw new JinjaException("the value is not in the list");
  }
}
