package org.peftjava.transformers.jinja;

import com.fasterxml.jackson.databind.node.DoubleNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.config.PythonJson;

/**
 * The values of a template: {@link None}, {@link Undefined}, Boolean, Long, Double, String, List,
 * {@link Tuple}, Map, {@link Callable}, {@link Namespace}, {@link LoopVariable}; nothing else of
 * Java can be reached.
 */
final class Values {
  private static final int MAX_NESTING = 200;

  private Values() {}

  /** A copy of a Java value; anything but texts, numbers, lists and maps of them is an error. */
  static Object of(@Nullable Object value) {
    return of(value, 0);
  }

  private static Object of(@Nullable Object value, int depth) {
    if (depth > MAX_NESTING) {
      throw new JinjaException("the messages are nested more than " + MAX_NESTING + " deep");
    }
    if (value == null) {
      return None.NONE;
    }
    if (value instanceof String || value instanceof Boolean || value instanceof None) {
      return value;
    }
    if (value instanceof Float || value instanceof Double) {
      return ((Number) value).doubleValue();
    }
    if (value instanceof Long
        || value instanceof Integer
        || value instanceof Short
        || value instanceof Byte) {
      return ((Number) value).longValue();
    }
    if (value instanceof Collection<?> || value instanceof Object[]) {
      Collection<?> items =
          value instanceof Object[] array ? Arrays.asList(array) : (Collection<?>) value;
      List<Object> copy = new ArrayList<>(items.size());
      for (Object item : items) {
        copy.add(of(item, depth + 1));
      }
      return copy;
    }
    if (value instanceof Map<?, ?> map) {
      Map<Object, Object> copy = new LinkedHashMap<>();
      map.forEach((key, item) -> copy.put(key(of(key, depth + 1)), of(item, depth + 1)));
      return copy;
    }
    throw new JinjaException(
        "a template cannot use a "
            + value.getClass().getName()
            + "; expected texts, numbers, booleans, lists and maps");
  }

  static boolean isTrue(Object value) {
    if (value instanceof Boolean flag) {
      return flag;
    }
    if (value instanceof Long number) {
      return number != 0;
    }
    if (value instanceof Double number) {
      return number != 0;
    }
    if (value instanceof String text) {
      return !text.isEmpty();
    }
    if (value instanceof List<?> list) {
      return !list.isEmpty();
    }
    if (value instanceof Map<?, ?> map) {
      return !map.isEmpty();
    }
    if (value instanceof Tuple tuple) {
      return !tuple.items().isEmpty();
    }
    return value != None.NONE && !(value instanceof Undefined);
  }

  /** The same value, if it can be the key of a dict: a list and what holds one cannot. */
  static Object key(Object value) {
    List<Object> parts = value instanceof Tuple tuple ? tuple.items() : List.of(value);
    for (Object part : parts) {
      if (part instanceof List<?> || part instanceof Map<?, ?> || part instanceof Tuple) {
        throw new JinjaException("unhashable type: '" + typeName(part) + "'");
      }
    }
    return value;
  }

  static boolean isNumber(Object value) {
    return value instanceof Long || value instanceof Double || value instanceof Boolean;
  }

  static long integer(Object value) {
    if (value instanceof Long number) {
      return number;
    }
    if (value instanceof Boolean flag) {
      return flag ? 1 : 0;
    }
    throw wrong(value, "a whole number");
  }

  static double number(Object value) {
    return value instanceof Double number ? number : integer(value);
  }

  static String text(Object value) {
    if (value instanceof String text) {
      return text;
    }
    throw wrong(value, "a text");
  }

  /** The items of a list, tuple, map (its keys) or text (its characters). */
  static List<Object> items(Object value, Budget budget) {
    budget.step();
    if (value instanceof Tuple tuple) {
      return tuple.items();
    }
    if (value instanceof List<?> list) {
      return cast(list);
    }
    if (value instanceof Map<?, ?> map) {
      return new ArrayList<>(map.keySet());
    }
    if (value instanceof Undefined) {
      return List.of();
    }
    if (value instanceof String text) {
      budget.make(text.length());
      List<Object> characters = new ArrayList<>(text.length());
      text.codePoints().forEach(c -> characters.add(Character.toString(c)));
      return characters;
    }
    throw wrong(value, "something to go through");
  }

  @SuppressWarnings("unchecked")
  static List<Object> cast(List<?> list) {
    return (List<Object>) list;
  }

  @SuppressWarnings("unchecked")
  static Map<Object, Object> cast(Map<?, ?> map) {
    return (Map<Object, Object>) map;
  }

  static long length(Object value) {
    if (value instanceof String text) {
      return text.codePointCount(0, text.length());
    }
    if (value instanceof List<?> list) {
      return list.size();
    }
    if (value instanceof Map<?, ?> map) {
      return map.size();
    }
    if (value instanceof Tuple tuple) {
      return tuple.items().size();
    }
    if (value instanceof Undefined) {
      return 0;
    }
    throw wrong(value, "something with a length");
  }

  /** What Python's {@code str} says. */
  static String str(Object value, Budget budget) {
    if (value instanceof String text) {
      return text;
    }
    if (value instanceof Undefined) {
      return "";
    }
    StringBuilder out = new StringBuilder();
    repr(out, value, budget);
    return out.toString();
  }

  private static void repr(StringBuilder out, Object value, Budget budget) {
    budget.make(out.length() > Budget.MAX_LENGTH ? out.length() : 1);
    if (value instanceof String text) {
      budget.make(text.length());
      out.append(Text.repr(text));
    } else if (value instanceof Boolean flag) {
      out.append(flag ? "True" : "False");
    } else if (value == None.NONE) {
      out.append("None");
    } else if (value instanceof Double number) {
      out.append(PythonJson.write(DoubleNode.valueOf(number), false));
    } else if (value instanceof List<?> list) {
      sequence(out, cast(list), "[", "]", budget);
    } else if (value instanceof Tuple tuple) {
      sequence(out, tuple.items(), "(", tuple.items().size() == 1 ? ",)" : ")", budget);
    } else if (value instanceof Map<?, ?> map) {
      String separator = "{";
      for (Map.Entry<?, ?> entry : map.entrySet()) {
        out.append(separator);
        repr(out, entry.getKey(), budget);
        out.append(": ");
        repr(out, entry.getValue(), budget);
        separator = ", ";
      }
      out.append(map.isEmpty() ? "{}" : "}");
    } else if (value instanceof Undefined) {
      out.append("Undefined");
    } else {
      out.append(value instanceof Long ? value.toString() : "<" + typeName(value) + ">");
    }
  }

  private static void sequence(
      StringBuilder out, List<Object> items, String open, String close, Budget budget) {
    out.append(open);
    for (int i = 0; i < items.size(); i++) {
      out.append(i > 0 ? ", " : "");
      repr(out, items.get(i), budget);
    }
    out.append(close);
  }

  static JinjaException wrong(Object value, String expected) {
    if (value instanceof Undefined undefined) {
      return undefined.error();
    }
    return new JinjaException("expected " + expected + ", not a value of type " + typeName(value));
  }

  /** Python's name of a value's type. */
  static String typeName(Object value) {
    if (value instanceof String) {
      return "str";
    } else if (value instanceof Boolean) {
      return "bool";
    } else if (value instanceof Long) {
      return "int";
    } else if (value instanceof Double) {
      return "float";
    } else if (value instanceof List<?>) {
      return "list";
    } else if (value instanceof Map<?, ?>) {
      return "dict";
    } else if (value instanceof Tuple) {
      return "tuple";
    } else if (value instanceof Undefined) {
      return "Undefined";
    } else if (value == None.NONE) {
      return "NoneType";
    } else if (value instanceof Namespace) {
      return "Namespace";
    } else if (value instanceof LoopVariable) {
      return "LoopContext";
    }
    return "function";
  }
}
