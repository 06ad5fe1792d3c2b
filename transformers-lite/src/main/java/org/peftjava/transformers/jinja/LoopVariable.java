package org.peftjava.transformers.jinja;

import java.util.List;
import java.util.function.BiFunction;

/** The variable {@code loop} inside of a {@code for}. */
final class LoopVariable {
  private final List<Object> items;
  private final int depth;
  private final BiFunction<Object, Integer, String> recursion;
  private int index;
  private Object lastChanged = LoopVariable.class;

  /**
   * The variable of a loop that has not begun.
   *
   * @param depth 1 for a loop that is not called by itself
   * @param recursion renders the loop for other items, one deeper
   */
  LoopVariable(List<Object> items, int depth, BiFunction<Object, Integer, String> recursion) {
    this.items = items;
    this.depth = depth;
    this.recursion = recursion;
  }

  void moveTo(int place) {
    index = place;
  }

  Object recurse(Arguments arguments) {
    arguments.budget().enter();
    String text = recursion.apply(arguments.get(0, "iterable"), depth + 1);
    arguments.budget().leave();
    return text;
  }

  Object attribute(String name) {
    int size = items.size();
    return switch (name) {
      case "index" -> index + 1L;
      case "index0" -> (long) index;
      case "revindex" -> (long) size - index;
      case "revindex0" -> size - index - 1L;
      case "first" -> index == 0;
      case "last" -> index == size - 1;
      case "length" -> (long) size;
      case "depth" -> (long) depth;
      case "depth0" -> depth - 1L;
      case "previtem" ->
          index > 0 ? items.get(index - 1) : new Undefined("there is no previous item");
      case "nextitem" ->
          index < size - 1 ? items.get(index + 1) : new Undefined("there is no next item");
      case "cycle" ->
          (Callable)
              arguments -> {
                List<Object> values = arguments.positional();
                if (values.isEmpty()) {
                  throw new JinjaException("no items for cycling given");
                }
                return values.get(index % values.size());
              };
      case "changed" ->
          (Callable)
              arguments -> {
                Object value = new Tuple(arguments.positional());
                boolean isChanged = !Operators.isEqual(value, lastChanged, arguments.budget());
                lastChanged = value;
                return isChanged;
              };
      default -> Attributes.missing(this, name);
    };
  }
}
