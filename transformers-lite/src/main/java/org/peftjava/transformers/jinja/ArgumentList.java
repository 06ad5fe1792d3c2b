package org.peftjava.transformers.jinja;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The expressions in a call's parentheses. */
record ArgumentList(List<Expression> positional, Map<String, Expression> named) {
  static final ArgumentList NONE = new ArgumentList(List.of(), Map.of());

  Arguments evaluate(Scope scope) {
    Map<String, Object> values = new LinkedHashMap<>();
    List<Object> list = ExpressionParser.all(positional, scope);
    named.forEach((name, value) -> values.put(name, value.evaluate(scope)));
    return new Arguments(list, values, scope.budget());
  }

  /** The same with a value in front: that of a filter or test. */
  Arguments evaluate(Scope scope, Object first) {
    Arguments rest = evaluate(scope);
    List<Object> list = new ArrayList<>();
    list.add(first);
    list.addAll(rest.positional());
    return new Arguments(list, rest.named(), scope.budget());
  }
}
