package org.peftjava.transformers.jinja;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;

/** Python's operators on the values of a template. */
final class Operators {
  private static final int MAX_EXPONENT = 64;

  private Operators() {}

  static Object add(Object a, Object b, Budget budget) {
    if (a instanceof String first && b instanceof String second) {
      budget.make((long) first.length() + second.length());
      return first.concat(second);
    }
    if (a instanceof List<?> first && b instanceof List<?> second) {
      budget.make((long) first.size() + second.size());
      List<Object> sum = new ArrayList<>(first);
      sum.addAll(second);
      return sum;
    }
    if (a instanceof Tuple first && b instanceof Tuple second) {
      return new Tuple(Values.cast((List<?>) add(first.items(), second.items(), budget)));
    }
    return arithmetic("+", a, b);
  }

  static Object multiply(Object a, Object b, Budget budget) {
    if (b instanceof String || b instanceof List<?>) {
      return Values.isNumber(a) ? multiply(b, a, budget) : arithmetic("*", a, b);
    }
    if (a instanceof String text) {
      int times = times(text.length(), b, budget);
      return text.repeat(times);
    }
    if (a instanceof List<?> list) {
      int times = times(list.size(), b, budget);
      List<Object> product = new ArrayList<>(times * list.size());
      Collections.nCopies(times, list).forEach(product::addAll);
      return product;
    }
    return arithmetic("*", a, b);
  }

  private static int times(int length, Object count, Budget budget) {
    long times = Math.max(0, Values.integer(count));
    if (times > Budget.MAX_LENGTH) {
      budget.make(times);
    }
    budget.make(times * length);
    return (int) times;
  }

  static Object arithmetic(String operator, Object a, Object b) {
    for (Object value : List.of(a, b)) {
      if (!Values.isNumber(value)) {
        if (value instanceof Undefined undefined) {
          throw undefined.error();
        }
        throw new JinjaException(
            "unsupported operand types for "
                + operator
                + ": '"
                + Values.typeName(a)
                + "' and '"
                + Values.typeName(b)
                + "'");
      }
    }
    boolean isDivision = operator.equals("/") || operator.equals("//") || operator.equals("%");
    if (isDivision && Values.number(b) == 0) {
      throw new JinjaException("division by zero");
    }
    if (a instanceof Double || b instanceof Double || operator.equals("/")) {
      return floating(operator, Values.number(a), Values.number(b));
    }
    try {
      return whole(operator, Values.integer(a), Values.integer(b));
    } catch (ArithmeticException e) {
      throw new JinjaException("a number is too large: " + a + " " + operator + " " + b);
    }
  }

  private static Object floating(String operator, double a, double b) {
    return switch (operator) {
      case "+" -> a + b;
      case "-" -> a - b;
      case "*" -> a * b;
      case "/" -> a / b;
      case "//" -> Math.floor(a / b);
      case "%" -> a - b * Math.floor(a / b);
      default -> Math.pow(a, b);
    };
  }

  private static Object whole(String operator, long a, long b) {
    return switch (operator) {
      case "+" -> Math.addExact(a, b);
      case "-" -> Math.subtractExact(a, b);
      case "*" -> Math.multiplyExact(a, b);
      case "//" -> Math.floorDiv(a, b);
      case "%" -> Math.floorMod(a, b);
      default -> power(a, b);
    };
  }

  private static Object power(long a, long b) {
    if (b < 0) {
      return Math.pow(a, b);
    }
    if (b > MAX_EXPONENT) {
      throw new ArithmeticException();
    }
    return BigInteger.valueOf(a).pow((int) b).longValueExact();
  }

  static boolean isEqual(Object a, Object b, Budget budget) {
    budget.step();
    if (a == b) {
      return true;
    }
    if (Values.isNumber(a) && Values.isNumber(b)) {
      boolean isFloating = a instanceof Double || b instanceof Double;
      return isFloating
          ? Values.number(a) == Values.number(b)
          : Values.integer(a) == Values.integer(b);
    }
    if (a instanceof List<?> first && b instanceof List<?> second) {
      return areEqual(first, second, budget);
    }
    if (a instanceof Tuple first && b instanceof Tuple second) {
      return areEqual(first.items(), second.items(), budget);
    }
    if (a instanceof Map<?, ?> first && b instanceof Map<?, ?> second) {
      return first.size() == second.size()
          && first.entrySet().stream()
              .allMatch(
                  entry -> {
                    Object other = second.get(entry.getKey());
                    return other != null && isEqual(entry.getValue(), other, budget);
                  });
    }
    if (a instanceof Undefined && b instanceof Undefined) {
      return true;
    }
    return a.equals(b);
  }

  private static boolean areEqual(List<?> a, List<?> b, Budget budget) {
    if (a.size() != b.size()) {
      return false;
    }
    for (int i = 0; i < a.size(); i++) {
      if (!isEqual(a.get(i), b.get(i), budget)) {
        return false;
      }
    }
    return true;
  }

  /** Below, at or above 0, as a is less than, equal to or greater than b. */
  static int compare(Object a, Object b, Budget budget) {
    budget.step();
    if (Values.isNumber(a) && Values.isNumber(b)) {
      boolean isFloating = a instanceof Double || b instanceof Double;
      return isFloating
          ? Double.compare(Values.number(a), Values.number(b))
          : Long.compare(Values.integer(a), Values.integer(b));
    }
    if (a instanceof String first && b instanceof String second) {
      return compareTexts(first, second);
    }
    if (a instanceof Tuple first && b instanceof Tuple second) {
      return compare(first.items(), second.items(), budget);
    }
    if (a instanceof List<?> first && b instanceof List<?> second) {
      for (int i = 0; i < Math.min(first.size(), second.size()); i++) {
        int order = compare(first.get(i), second.get(i), budget);
        if (order != 0) {
          return order;
        }
      }
      return Integer.compare(first.size(), second.size());
    }
    for (Object value : List.of(a, b)) {
      if (value instanceof Undefined undefined) {
        throw undefined.error();
      }
    }
    throw new JinjaException(
        "cannot compare '" + Values.typeName(a) + "' with '" + Values.typeName(b) + "'");
  }

  private static int compareTexts(String a, String b) {
    int[] first = a.codePoints().toArray();
    return Arrays.compare(first, b.codePoints().toArray());
  }

  static boolean contains(Object container, Object item, Budget budget) {
    budget.step();
    if (container instanceof String text) {
      return text.contains(Values.text(item));
    }
    if (container instanceof Map<?, ?> map) {
      return map.containsKey(Values.key(item));
    }
    List<Object> items = Values.items(container, budget);
    budget.make(items.size());
    return items.stream().anyMatch(other -> isEqual(other, item, budget));
  }
}
