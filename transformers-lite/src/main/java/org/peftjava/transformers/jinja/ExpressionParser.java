package org.peftjava.transformers.jinja;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiFunction;

/**
 * Reads expressions from those that bind least, {@code a if b else c}, to arithmetic.
 *
 * <p>Reference: jinja2 {@code parser.py::Parser}.
 */
final class ExpressionParser {
  private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");

  private final TokenStream stream;
  private final PrimaryParser primary;

  ExpressionParser(TokenStream stream) {
    this.stream = stream;
    primary = new PrimaryParser(stream, this);
  }

  TokenStream stream() {
    return stream;
  }

  PrimaryParser primary() {
    return primary;
  }

  /** A whole expression. */
  Expression expression() {
    stream.enter();
    Expression result = or();
    while (stream.skipName("if")) {
      Expression value = result;
      Expression condition = or();
      Expression other =
          stream.skipName("else") ? expression() : scope -> new Undefined("the inline if");
      result =
          scope ->
              Values.isTrue(condition.evaluate(scope))
                  ? value.evaluate(scope)
                  : other.evaluate(scope);
    }
    stream.leave();
    return result;
  }

  /** Expressions between commas; a single one without comma is not a tuple. */
  Expression tuple(boolean withCondition) {
    List<Expression> items = new ArrayList<>();
    boolean isTuple = false;
    while (!endsTuple()) {
      items.add(withCondition ? expression() : or());
      if (!stream.skipOperator(",")) {
        break;
      }
      isTuple = true;
    }
    if (!isTuple && items.size() == 1) {
      return items.get(0);
    }
    if (items.isEmpty()) {
      throw stream.unexpected("an expression");
    }
    return scope -> new Tuple(all(items, scope));
  }

  private boolean endsTuple() {
    return stream.isOperator(")")
        || stream.isOperator("=")
        || stream.current().kind() == Token.Kind.BLOCK_END
        || stream.current().kind() == Token.Kind.VARIABLE_END;
  }

  static List<Object> all(List<Expression> items, Scope scope) {
    scope.budget().make(items.size());
    List<Object> values = new ArrayList<>(items.size());
    for (Expression item : items) {
      values.add(item.evaluate(scope));
    }
    return values;
  }

  private Expression or() {
    Expression left = and();
    while (stream.skipName("or")) {
      Expression first = left;
      Expression second = and();
      left =
          scope -> {
            Object value = first.evaluate(scope);
            return Values.isTrue(value) ? value : second.evaluate(scope);
          };
    }
    return left;
  }

  private Expression and() {
    Expression left = not();
    while (stream.skipName("and")) {
      Expression first = left;
      Expression second = not();
      left =
          scope -> {
            Object value = first.evaluate(scope);
            return Values.isTrue(value) ? second.evaluate(scope) : value;
          };
    }
    return left;
  }

  private Expression not() {
    if (!stream.skipName("not")) {
      return comparison();
    }
    stream.enter();
    Expression value = not();
    stream.leave();
    return scope -> !Values.isTrue(value.evaluate(scope));
  }

  private record Comparison(String operator, Expression right) {}

  private Expression comparison() {
    Expression left = sum();
    List<Comparison> comparisons = new ArrayList<>();
    while (true) {
      Token token = stream.current();
      if (token.kind() == Token.Kind.OPERATOR && COMPARISONS.contains(token.text())) {
        stream.next();
        comparisons.add(new Comparison(token.text(), sum()));
      } else if (stream.skipName("in")) {
        comparisons.add(new Comparison("in", sum()));
      } else if (stream.isName("not") && stream.ahead().is(Token.Kind.NAME, "in")) {
        stream.next();
        stream.next();
        comparisons.add(new Comparison("not in", sum()));
      } else {
        break;
      }
    }
    if (comparisons.isEmpty()) {
      return left;
    }
    return scope -> {
      Object value = left.evaluate(scope);
      for (Comparison comparison : comparisons) {
        Object right = comparison.right().evaluate(scope);
        if (!holds(comparison.operator(), value, right, scope.budget())) {
          return false;
        }
        value = right;
      }
      return true;
    };
  }

  private static boolean holds(String operator, Object a, Object b, Budget budget) {
    budget.step();
    return switch (operator) {
      case "==" -> Operators.isEqual(a, b, budget);
      case "!=" -> !Operators.isEqual(a, b, budget);
      case "<" -> Operators.compare(a, b, budget) < 0;
      case "<=" -> Operators.compare(a, b, budget) <= 0;
      case ">" -> Operators.compare(a, b, budget) > 0;
      case ">=" -> Operators.compare(a, b, budget) >= 0;
      case "in" -> Operators.contains(b, a, budget);
      default -> !Operators.contains(b, a, budget);
    };
  }

  private Expression sum() {
    Expression left = concatenation();
    while (stream.isOperator("+") || stream.isOperator("-")) {
      boolean isSum = stream.next().text().equals("+");
      left =
          binary(
              left,
              concatenation(),
              isSum
                  ? (a, b) -> scope -> Operators.add(a, b, scope.budget())
                  : (a, b) -> scope -> Operators.arithmetic("-", a, b));
    }
    return left;
  }

  private Expression concatenation() {
    Expression first = product();
    if (!stream.isOperator("~")) {
      return first;
    }
    List<Expression> parts = new ArrayList<>(List.of(first));
    while (stream.skipOperator("~")) {
      parts.add(product());
    }
    return scope -> {
      StringBuilder text = new StringBuilder();
      for (Expression part : parts) {
        String next = Values.str(part.evaluate(scope), scope.budget());
        scope.budget().make((long) text.length() + next.length());
        text.append(next);
      }
      return text.toString();
    };
  }

  private Expression product() {
    Expression left = power();
    while (stream.isOperator("*")
        || stream.isOperator("/")
        || stream.isOperator("//")
        || stream.isOperator("%")) {
      String operator = stream.next().text();
      left =
          binary(
              left,
              power(),
              (a, b) ->
                  scope -> {
                    if (operator.equals("*")) {
                      return Operators.multiply(a, b, scope.budget());
                    }
                    return operator.equals("%") && a instanceof String format
                        ? Formats.percent(format, b, scope.budget())
                        : Operators.arithmetic(operator, a, b);
                  });
    }
    return left;
  }

  private Expression power() {
    Expression left = unary(true);
    while (stream.skipOperator("**")) {
      left = binary(left, unary(true), (a, b) -> scope -> Operators.arithmetic("**", a, b));
    }
    return left;
  }

  private Expression unary(boolean withFilter) {
    boolean isMinus = stream.isOperator("-");
    if (isMinus || stream.isOperator("+")) {
      stream.next();
      stream.enter();
      Expression value = unary(false);
      stream.leave();
      Expression signed =
          scope -> Operators.arithmetic(isMinus ? "-" : "+", 0L, value.evaluate(scope));
      return withFilter ? primary.filters(signed) : signed;
    }
    Expression value = primary.postfix(primary.primary());
    return withFilter ? primary.filters(value) : value;
  }

  private static Expression binary(
      Expression left, Expression right, BiFunction<Object, Object, Expression> operator) {
    return scope -> {
      scope.budget().step();
      return operator.apply(left.evaluate(scope), right.evaluate(scope)).evaluate(scope);
    };
  }

  /** The arguments of a call, behind its opening parenthesis. */
  ArgumentList arguments() {
    List<Expression> positional = new ArrayList<>();
    Map<String, Expression> named = new LinkedHashMap<>();
    while (!stream.skipOperator(")")) {
      if (!positional.isEmpty() || !named.isEmpty()) {
        stream.expectOperator(",");
        if (stream.skipOperator(")")) {
          break;
        }
      }
      if (stream.current().kind() == Token.Kind.NAME
          && stream.ahead().is(Token.Kind.OPERATOR, "=")) {
        String name = stream.next().text();
        stream.next();
        named.put(name, expression());
      } else {
        positional.add(expression());
      }
    }
    return new ArgumentList(positional, named);
  }
}
