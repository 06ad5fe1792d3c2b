package org.peftjava.transformers.checkpoint;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The working memory of an {@link Unpickler}: values, marks and stored values, all counted. */
final class PickleStack {
  private static final int MAX_OBJECTS = 2_000_000;
  private static final int MAX_DEPTH = 1_000_000;

  private final PickleInput in;
  private final List<Object> values = new ArrayList<>();
  private final Deque<Integer> marks = new ArrayDeque<>();
  private final Map<Long, Object> memo = new HashMap<>();
  private int objects;

  /** {@code in} says in errors where the pickle stood. */
  PickleStack(PickleInput in) {
    this.in = in;
  }

  /** Stores the top value under a number. */
  void remember(long index) {
    count(1);
    memo.put(index, top());
  }

  /** Stores the top value under the next number. */
  void rememberNext() {
    remember(memo.size());
  }

  void recall(long index) {
    Object value = memo.get(index);
    if (value == null) {
      throw in.invalid("a reference to value " + index + ", which was not stored");
    }
    push(value);
  }

  void mark() {
    count(1);
    marks.push(values.size());
  }

  void push(Object value) {
    count(1);
    if (values.size() >= MAX_DEPTH) {
      throw in.invalid("more than " + MAX_DEPTH + " values that nothing takes up");
    }
    values.add(value);
  }

  Object top() {
    if (values.size() <= bottom()) {
      throw in.invalid("an operation without its values");
    }
    return values.get(values.size() - 1);
  }

  Object pop() {
    Object value = top();
    values.remove(values.size() - 1);
    return value;
  }

  /** The last values, in their order. */
  List<Object> popLast(int count) {
    if (values.size() - count < bottom()) {
      throw in.invalid("an operation without its values");
    }
    return popFrom(values.size() - count);
  }

  /** The values after the last mark, which goes too. */
  List<Object> popToMark() {
    if (marks.isEmpty()) {
      throw in.invalid("an operation without its mark");
    }
    return popFrom(marks.pop());
  }

  /** Counts values that take memory; too many end the reading. */
  void count(int more) {
    objects += more;
    if (objects > MAX_OBJECTS) {
      throw in.invalid("more than " + MAX_OBJECTS + " values");
    }
  }

  /** Operations may not reach below the last mark. */
  private int bottom() {
    Integer mark = marks.peek();
    return mark == null ? 0 : mark;
  }

  private List<Object> popFrom(int start) {
    List<Object> tail = values.subList(start, values.size());
    List<Object> result = List.copyOf(tail);
    tail.clear();
    return result;
  }
}
