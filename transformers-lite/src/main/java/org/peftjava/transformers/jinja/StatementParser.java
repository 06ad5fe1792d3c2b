package org.peftjava.transformers.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** Reads text, expressions and the tags {@code {% ... %}}. */
final class StatementParser {
  private final TokenStream stream;
  private final ExpressionParser expressions;
  private final LoopParser loops;

  StatementParser(TokenStream stream) {
    this.stream = stream;
    expressions = new ExpressionParser(stream);
    loops = new LoopParser(stream, expressions, this);
  }

  Statement template() {
    Statement body = body(Set.of());
    if (stream.current().kind() != Token.Kind.EOF) {
      throw stream.unexpected("the end of the template");
    }
    return body;
  }

  /** Statements up to one of these tags; its beginning and name are read, the rest is not. */
  Statement body(Set<String> endNames) {
    stream.enter();
    List<Statement> statements = new ArrayList<>();
    while (true) {
      Token token = stream.current();
      if (token.kind() == Token.Kind.DATA) {
        String text = stream.next().text();
        statements.add(
            (scope, out) -> {
              out.write(text);
              return Statement.End.NORMAL;
            });
      } else if (token.kind() == Token.Kind.VARIABLE_BEGIN) {
        stream.next();
        statements.add(inLine(output(), token.line()));
      } else if (token.kind() == Token.Kind.BLOCK_BEGIN) {
        if (endNames.contains(stream.ahead().text()) && stream.ahead().kind() == Token.Kind.NAME) {
          stream.next();
          break;
        }
        stream.next();
        statements.add(inLine(statement(), token.line()));
      } else if (endNames.isEmpty()) {
        break;
      } else {
        throw stream.unexpected("{% " + String.join(" %} or {% ", endNames) + " %}");
      }
    }
    stream.leave();
    return Statement.sequence(List.copyOf(statements));
  }

  /** The same body, behind the end of the tag that begins it; its end tag is read too. */
  Statement bodyUntil(String endName) {
    stream.expect(Token.Kind.BLOCK_END);
    Statement body = body(Set.of(endName));
    stream.next();
    if (stream.current().kind() == Token.Kind.NAME) {
      stream.next(); // {% endmacro name %}
    }
    stream.expect(Token.Kind.BLOCK_END);
    return body;
  }

  private static Statement inLine(Statement statement, int line) {
    return (scope, out) -> {
      try {
        scope.budget().step();
        return statement.render(scope, out);
      } catch (JinjaException e) {
        throw e.inLine(line);
      }
    };
  }

  private Statement output() {
    Expression value = expressions.tuple(true);
    stream.expect(Token.Kind.VARIABLE_END);
    return (scope, out) -> {
      out.write(Values.str(value.evaluate(scope), scope.budget()));
      return Statement.End.NORMAL;
    };
  }

  private Statement statement() {
    Token name = stream.expect(Token.Kind.NAME);
    return switch (name.text()) {
      case "if" -> condition();
      case "for" -> loops.loop();
      case "set" -> assignment();
      case "macro" -> macro();
      case "call" -> call();
      case "filter" -> filter();
      case "with" -> with();
      case "generation" -> generation();
      case "break" -> ends(Statement.End.BREAK);
      case "continue" -> ends(Statement.End.CONTINUE);
      default ->
          throw new JinjaException("there is no tag named '" + name.text() + "'", name.line());
    };
  }

  private Statement ends(Statement.End end) {
    stream.expect(Token.Kind.BLOCK_END);
    return (scope, out) -> end;
  }

  private Statement condition() {
    Expression test = expressions.tuple(true);
    stream.expect(Token.Kind.BLOCK_END);
    Statement then = body(Set.of("elif", "else", "endif"));
    Statement otherwise = Statement.sequence(List.of());
    stream.enter();
    Token next = stream.next();
    if (next.text().equals("elif")) {
      otherwise = condition();
    } else if (next.text().equals("else")) {
      otherwise = bodyUntil("endif");
    } else {
      stream.expect(Token.Kind.BLOCK_END);
    }
    stream.leave();
    Statement other = inLine(otherwise, next.line());
    return (scope, out) ->
        Values.isTrue(test.evaluate(scope)) ? then.render(scope, out) : other.render(scope, out);
  }

  private Statement assignment() {
    Token first = stream.current();
    if (stream.ahead().is(Token.Kind.OPERATOR, ".")) {
      stream.next();
      stream.next();
      String attribute = stream.expect(Token.Kind.NAME).text();
      return assigned(
          (scope, value) -> {
            if (scope.get(first.text()) instanceof Namespace namespace) {
              namespace.values().put(attribute, value);
            } else {
              throw new JinjaException("only the attributes of a namespace can be set");
            }
          });
    }
    return assigned(loops.target());
  }

  private Statement assigned(LoopParser.Target target) {
    if (stream.skipOperator("=")) {
      Expression value = expressions.tuple(true);
      stream.expect(Token.Kind.BLOCK_END);
      return (scope, out) -> {
        target.assign(scope, value.evaluate(scope));
        return Statement.End.NORMAL;
      };
    }
    Expression[] text = {scope -> scope.get(BLOCK_TEXT)};
    while (stream.skipOperator("|")) {
      text[0] = expressions.primary().filter(text[0]);
    }
    Expression value = text[0];
    Statement body = bodyUntil("endset");
    return (scope, out) -> {
      target.assign(scope, value.evaluate(captured(body, scope)));
      return Statement.End.NORMAL;
    };
  }

  private static final String BLOCK_TEXT = " block";

  /** A scope in which what a body writes is the value of a hidden variable. */
  private static Scope captured(Statement body, Scope scope) {
    Output text = new Output(scope.budget());
    Scope inner = scope.inner();
    body.render(inner, text);
    inner.set(BLOCK_TEXT, text.toString());
    return inner;
  }

  private Statement filter() {
    Expression value = expressions.primary().filter(scope -> scope.get(BLOCK_TEXT));
    while (stream.skipOperator("|")) {
      value = expressions.primary().filter(value);
    }
    Expression filtered = value;
    Statement body = bodyUntil("endfilter");
    return (scope, out) -> {
      out.write(Values.str(filtered.evaluate(captured(body, scope)), scope.budget()));
      return Statement.End.NORMAL;
    };
  }

  private Statement generation() {
    Statement body = bodyUntil("endgeneration");
    return (scope, out) -> body.render(scope.inner(), out);
  }

  private Statement with() {
    List<String> names = new ArrayList<>();
    List<Expression> values = new ArrayList<>();
    while (stream.current().kind() != Token.Kind.BLOCK_END) {
      if (!names.isEmpty()) {
        stream.expectOperator(",");
      }
      names.add(stream.expect(Token.Kind.NAME).text());
      stream.expectOperator("=");
      values.add(expressions.expression());
    }
    Statement body = bodyUntil("endwith");
    return (scope, out) -> {
      Scope inner = scope.inner();
      for (int i = 0; i < names.size(); i++) {
        inner.set(names.get(i), values.get(i).evaluate(scope));
      }
      return body.render(inner, out);
    };
  }

  private Statement macro() {
    String name = stream.expect(Token.Kind.NAME).text();
    stream.expectOperator("(");
    List<MacroFunction.Parameter> parameters = parameters();
    Statement body = bodyUntil("endmacro");
    return (scope, out) -> {
      scope.set(name, new MacroFunction(name, parameters, body, scope));
      return Statement.End.NORMAL;
    };
  }

  private List<MacroFunction.Parameter> parameters() {
    List<MacroFunction.Parameter> parameters = new ArrayList<>();
    while (!stream.skipOperator(")")) {
      if (!parameters.isEmpty()) {
        stream.expectOperator(",");
      }
      String name = stream.expect(Token.Kind.NAME).text();
      Expression fallback =
          stream.skipOperator("=") ? expressions.expression() : scope -> new Undefined(name);
      parameters.add(new MacroFunction.Parameter(name, fallback));
    }
    return List.copyOf(parameters);
  }

  private Statement call() {
    List<MacroFunction.Parameter> parameters = stream.skipOperator("(") ? parameters() : List.of();
    Expression callee = expressions.primary().primary();
    while (stream.skipOperator(".")) {
      String name = stream.expect(Token.Kind.NAME).text();
      Expression owner = callee;
      callee = scope -> Attributes.attribute(owner.evaluate(scope), name, scope.budget());
    }
    stream.expectOperator("(");
    ArgumentList arguments = expressions.arguments();
    Expression function = callee;
    Statement body = bodyUntil("endcall");
    return (scope, out) -> {
      if (!(function.evaluate(scope) instanceof Callable callable)) {
        throw Values.wrong(function.evaluate(scope), "a macro");
      }
      Arguments given = arguments.evaluate(scope);
      given.named().put("caller", new MacroFunction("caller", parameters, body, scope));
      out.write(Values.str(callable.call(given), scope.budget()));
      return Statement.End.NORMAL;
    };
  }
}
