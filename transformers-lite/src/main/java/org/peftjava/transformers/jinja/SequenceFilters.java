package org.peftjava.transformers.jinja;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.UnaryOperator;

/** The filters of lists and other sequences. */
final class SequenceFilters {
  static final Map<String, Callable> ALL = new HashMap<>();

  static {
    ALL.put("length", a -> Values.length(a.get(0, "obj")));
    ALL.put("count", a -> Values.length(a.get(0, "obj")));
    ALL.put("first", a -> end(a, true));
    ALL.put("last", a -> end(a, false));
    ALL.put("list", a -> new ArrayList<>(items(a)));
    ALL.put("join", SequenceFilters::join);
    ALL.put("reverse", SequenceFilters::reverse);
    ALL.put("sort", SequenceFilters::sort);
    ALL.put("unique", SequenceFilters::unique);
    ALL.put("sum", SequenceFilters::sum);
    ALL.put("min", a -> extreme(a, true));
    ALL.put("max", a -> extreme(a, false));
    ALL.put("map", SequenceFilters::map);
    ALL.put("select", a -> select(a, true, false));
    ALL.put("reject", a -> select(a, false, false));
    ALL.put("selectattr", a -> select(a, true, true));
    ALL.put("rejectattr", a -> select(a, false, true));
    ALL.put(
        "items",
        a -> {
          Object value = a.get(0, "value");
          if (value instanceof Map<?, ?> map) {
            return CollectionMethods.items(Values.cast(map), a.budget());
          }
          if (value instanceof Undefined) {
            return List.of();
          }
          throw Values.wrong(value, "a dict");
        });
    ALL.put("dictsort", SequenceFilters::dictsort);
  }

  private SequenceFilters() {}

  private static List<Object> items(Arguments a) {
    List<Object> items = Values.items(a.get(0, "value"), a.budget());
    a.budget().make(items.size());
    return items;
  }

  private static Object end(Arguments a, boolean first) {
    List<Object> items = items(a);
    if (items.isEmpty()) {
      return new Undefined("No item, sequence was empty.");
    }
    return items.get(first ? 0 : items.size() - 1);
  }

  private static Object join(Arguments a) {
    List<Object> values = map(items(a), attribute(a, 2, "attribute"));
    return StringMethods.join(Values.str(a.get(1, "d", ""), a.budget()), values, a.budget());
  }

  private static Object reverse(Arguments a) {
    if (a.get(0, "value") instanceof String text) {
      a.budget().make(text.length());
      return new StringBuilder(text).reverse().toString();
    }
    List<Object> items = new ArrayList<>(items(a));
    Collections.reverse(items);
    return items;
  }

  /** What to look at in each item: itself, or an attribute such as "function.name". */
  private static UnaryOperator<Object> attribute(Arguments a, int place, String name) {
    Object attribute = a.get(place, name, None.NONE);
    return attribute == None.NONE ? item -> item : path(attribute, a.budget());
  }

  private static UnaryOperator<Object> path(Object attribute, Budget budget) {
    if (!(attribute instanceof String text)) {
      return item -> Attributes.item(item, attribute, budget);
    }
    String[] names = text.split("\\.", -1);
    return item -> {
      Object value = item;
      for (String name : names) {
        value = Attributes.item(value, name, budget);
      }
      return value;
    };
  }

  private static List<Object> map(List<Object> items, UnaryOperator<Object> change) {
    List<Object> values = new ArrayList<>(items.size());
    items.forEach(item -> values.add(change.apply(item)));
    return values;
  }

  private static Comparator<Object> order(UnaryOperator<Object> key, boolean cased, Budget budget) {
    return (a, b) -> {
      Object first = key.apply(a);
      Object second = key.apply(b);
      if (!cased && first instanceof String x && second instanceof String y) {
        return Operators.compare(x.toLowerCase(Locale.ROOT), y.toLowerCase(Locale.ROOT), budget);
      }
      return Operators.compare(first, second, budget);
    };
  }

  private static Object sort(Arguments a) {
    List<Object> items = new ArrayList<>(items(a));
    boolean isCased = Values.isTrue(a.get(2, "case_sensitive", false));
    Comparator<Object> order = order(attribute(a, 3, "attribute"), isCased, a.budget());
    items.sort(Values.isTrue(a.get(1, "reverse", false)) ? order.reversed() : order);
    return items;
  }

  private static Object unique(Arguments a) {
    UnaryOperator<Object> key = attribute(a, 2, "attribute");
    List<Object> result = new ArrayList<>();
    List<Object> seen = new ArrayList<>();
    for (Object item : items(a)) {
      Object value =
          key.apply(item) instanceof String s ? s.toLowerCase(Locale.ROOT) : key.apply(item);
      a.budget().make(seen.size());
      if (seen.stream().noneMatch(other -> Operators.isEqual(other, value, a.budget()))) {
        seen.add(value);
        result.add(item);
      }
    }
    return result;
  }

  private static Object sum(Arguments a) {
    Object sum = a.get(2, "start", 0L);
    for (Object item : map(items(a), attribute(a, 1, "attribute"))) {
      sum = Operators.add(sum, item, a.budget());
    }
    return sum;
  }

  private static Object extreme(Arguments a, boolean min) {
    Comparator<Object> order = order(attribute(a, 2, "attribute"), false, a.budget());
    List<Object> items = items(a);
    if (items.isEmpty()) {
      return new Undefined("No aggregated item, sequence was empty.");
    }
    return min ? Collections.min(items, order) : Collections.max(items, order);
  }

  private static Object map(Arguments a) {
    if (a.named().containsKey("attribute")) {
      Object fallback = a.get(Integer.MAX_VALUE, "default", None.class);
      UnaryOperator<Object> path = path(a.get(Integer.MAX_VALUE, "attribute"), a.budget());
      return map(
          items(a),
          item -> {
            Object value = path.apply(item);
            return value instanceof Undefined && fallback != None.class ? fallback : value;
          });
    }
    Callable filter = Filters.named(a.text(1, "filter"), 0);
    return map(items(a), item -> filter.call(with(item, a, 2)));
  }

  private static Arguments with(Object item, Arguments a, int from) {
    List<Object> arguments = new ArrayList<>();
    arguments.add(item);
    if (a.positional().size() > from) {
      arguments.addAll(a.positional().subList(from, a.positional().size()));
    }
    return new Arguments(arguments, a.named(), a.budget());
  }

  private static Object select(Arguments a, boolean wanted, boolean byAttribute) {
    int place = byAttribute ? 2 : 1;
    UnaryOperator<Object> key =
        byAttribute ? path(a.get(1, "attribute"), a.budget()) : item -> item;
    boolean isTested = a.positional().size() > place;
    Callable test =
        isTested
            ? Tests.named(Values.text(a.positional().get(place)), 0)
            : arguments -> Values.isTrue(arguments.get(0, "value"));
    List<Object> result = new ArrayList<>();
    for (Object item : items(a)) {
      a.budget().step();
      Object holds = test.call(with(key.apply(item), a, place + 1));
      if (Values.isTrue(holds) == wanted) {
        result.add(item);
      }
    }
    return result;
  }

  private static Object dictsort(Arguments a) {
    if (!(a.get(0, "value") instanceof Map<?, ?> map)) {
      throw Values.wrong(a.get(0, "value"), "a dict");
    }
    List<Object> items = new ArrayList<>(CollectionMethods.items(Values.cast(map), a.budget()));
    boolean isCased = Values.isTrue(a.get(1, "case_sensitive", false));
    int place = a.text(2, "by", "key").equals("value") ? 1 : 0;
    Comparator<Object> order =
        order(item -> ((Tuple) item).items().get(place), isCased, a.budget());
    items.sort(Values.isTrue(a.get(3, "reverse", false)) ? order.reversed() : order);
    return items;
  }
}
