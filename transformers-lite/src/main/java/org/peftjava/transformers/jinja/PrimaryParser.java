package org.peftjava.transformers.jinja;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Reads literals and names, and what follows them: attributes, calls, filters and tests. */
final class PrimaryParser {
  private static final Set<String> AFTER_TEST = Set.of("else", "or", "and", "if", "not", "in");

  private final TokenStream stream;
  private final ExpressionParser expressions;

  PrimaryParser(TokenStream stream, ExpressionParser expressions) {
    this.stream = stream;
    this.expressions = expressions;
  }

  Expression primary() {
    Token token = stream.current();
    return switch (token.kind()) {
      case NAME -> name(stream.next().text());
      case STRING -> {
        StringBuilder text = new StringBuilder();
        while (stream.current().kind() == Token.Kind.STRING) {
          text.append(stream.next().text());
        }
        String value = text.toString();
        yield scope -> value;
      }
      case INTEGER -> {
        Object value = Formats.toLong(stream.next().text());
        yield scope -> value;
      }
      case FLOAT -> {
        Object value = Double.parseDouble(stream.next().text());
        yield scope -> value;
      }
      case OPERATOR -> {
        if (stream.skipOperator("(")) {
          yield parenthesized();
        } else if (stream.skipOperator("[")) {
          yield list();
        } else if (stream.skipOperator("{")) {
          yield dict();
        }
        throw stream.unexpected("an expression");
      }
      default -> throw stream.unexpected("an expression");
    };
  }

  private static Expression name(String name) {
    return switch (name) {
      case "true", "True" -> scope -> true;
      case "false", "False" -> scope -> false;
      case "none", "None" -> scope -> None.NONE;
      default ->
          scope -> {
            scope.budget().step();
            return scope.get(name);
          };
    };
  }

  private Expression parenthesized() {
    if (stream.skipOperator(")")) {
      return scope -> new Tuple(List.of());
    }
    Expression value = expressions.tuple(true);
    stream.expectOperator(")");
    return value;
  }

  private Expression list() {
    List<Expression> items = new ArrayList<>();
    while (!stream.skipOperator("]")) {
      if (!items.isEmpty()) {
        stream.expectOperator(",");
        if (stream.skipOperator("]")) {
          break;
        }
      }
      items.add(expressions.expression());
    }
    return scope -> ExpressionParser.all(items, scope);
  }

  private Expression dict() {
    List<Expression> keys = new ArrayList<>();
    List<Expression> values = new ArrayList<>();
    while (!stream.skipOperator("}")) {
      if (!keys.isEmpty()) {
        stream.expectOperator(",");
        if (stream.skipOperator("}")) {
          break;
        }
      }
      keys.add(expressions.expression());
      stream.expectOperator(":");
      values.add(expressions.expression());
    }
    return scope -> {
      List<Object> keyValues = ExpressionParser.all(keys, scope);
      List<Object> itemValues = ExpressionParser.all(values, scope);
      Map<Object, Object> dict = new LinkedHashMap<>();
      for (int i = 0; i < keyValues.size(); i++) {
        dict.put(Values.key(keyValues.get(i)), itemValues.get(i));
      }
      return dict;
    };
  }

  /** Attributes, subscripts and calls. */
  Expression postfix(Expression start) {
    Expression value = start;
    while (true) {
      if (stream.skipOperator(".")) {
        value = attribute(value);
      } else if (stream.skipOperator("[")) {
        value = subscript(value);
      } else if (stream.isOperator("(")) {
        value = call(value);
      } else {
        return value;
      }
    }
  }

  private Expression attribute(Expression value) {
    Token token = stream.next();
    if (token.kind() == Token.Kind.INTEGER) {
      Object index = Formats.toLong(token.text());
      return scope -> Attributes.item(value.evaluate(scope), index, scope.budget());
    }
    if (token.kind() != Token.Kind.NAME) {
      throw stream.unexpected("a name behind '.'");
    }
    return scope -> Attributes.attribute(value.evaluate(scope), token.text(), scope.budget());
  }

  private Expression subscript(Expression value) {
    List<Expression> bounds = new ArrayList<>();
    boolean isSlice = false;
    Expression none = scope -> None.NONE;
    Expression current = none;
    while (!stream.isOperator("]")) {
      if (stream.skipOperator(":")) {
        isSlice = true;
        bounds.add(current);
        current = none;
      } else {
        current = expressions.expression();
        if (!stream.isOperator(":") && !stream.isOperator("]")) {
          throw stream.unexpected("']'");
        }
      }
    }
    stream.next();
    bounds.add(current);
    if (!isSlice) {
      Expression index = bounds.get(0);
      if (index == none) {
        throw stream.unexpected("an index");
      }
      return scope -> Attributes.item(value.evaluate(scope), index.evaluate(scope), scope.budget());
    }
    return scope -> {
      List<Object> parts = ExpressionParser.all(bounds, scope);
      return Slices.of(value.evaluate(scope), parts, scope.budget());
    };
  }

  private Expression call(Expression callee) {
    int line = stream.next().line();
    ArgumentList arguments = expressions.arguments();
    return scope -> {
      scope.budget().step();
      Object function = callee.evaluate(scope);
      if (function instanceof Callable callable) {
        return callable.call(arguments.evaluate(scope));
      }
      if (function instanceof LoopVariable loop) {
        return loop.recurse(arguments.evaluate(scope));
      }
      if (function instanceof Undefined undefined) {
        throw undefined.error().inLine(line);
      }
      throw new JinjaException("a " + Values.typeName(function) + " cannot be called", line);
    };
  }

  /** Filters and tests, and calls of what they return. */
  Expression filters(Expression start) {
    Expression value = start;
    while (true) {
      if (stream.skipOperator("|")) {
        value = filter(value);
      } else if (stream.skipName("is")) {
        value = test(value);
      } else if (stream.isOperator("(")) {
        value = call(value);
      } else {
        return value;
      }
    }
  }

  /** A filter, behind its "|". */
  Expression filter(Expression value) {
    Token name = stream.expect(Token.Kind.NAME);
    Callable filter = Filters.named(name.text(), name.line());
    ArgumentList arguments = stream.skipOperator("(") ? expressions.arguments() : ArgumentList.NONE;
    return scope -> {
      scope.budget().step();
      return filter.call(arguments.evaluate(scope, value.evaluate(scope)));
    };
  }

  private Expression test(Expression value) {
    boolean isNegated = stream.skipName("not");
    Token name = stream.expect(Token.Kind.NAME);
    Callable test = Tests.named(name.text(), name.line());
    ArgumentList arguments = ArgumentList.NONE;
    if (stream.skipOperator("(")) {
      arguments = expressions.arguments();
    } else if (beginsArgument()) {
      arguments = new ArgumentList(List.of(postfix(primary())), Map.of());
    }
    ArgumentList given = arguments;
    return scope -> {
      scope.budget().step();
      Object result = test.call(given.evaluate(scope, value.evaluate(scope)));
      return Values.isTrue(result) != isNegated;
    };
  }

  private boolean beginsArgument() {
    Token token = stream.current();
    return switch (token.kind()) {
      case NAME -> !AFTER_TEST.contains(token.text()) && !token.text().equals("is");
      case STRING, INTEGER, FLOAT -> true;
      case OPERATOR -> token.text().equals("[") || token.text().equals("{");
      default -> false;
    };
  }
}
