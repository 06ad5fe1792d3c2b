package org.peftjava.transformers.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** Reads {@code for} and the targets of assignments. */
final class LoopParser {
  private final TokenStream stream;
  private final ExpressionParser expressions;
  private final StatementParser statements;

  LoopParser(TokenStream stream, ExpressionParser expressions, StatementParser statements) {
    this.stream = stream;
    this.expressions = expressions;
    this.statements = statements;
  }

  /** One name or several that a value is given to. */
  @FunctionalInterface
  interface Target {
    void assign(Scope scope, Object value);
  }

  Target target() {
    stream.enter();
    List<Target> parts = new ArrayList<>();
    boolean isTuple = false;
    do {
      if (stream.skipOperator("(")) {
        parts.add(target());
        stream.expectOperator(")");
      } else {
        String name = stream.expect(Token.Kind.NAME).text();
        parts.add((scope, value) -> scope.set(name, value));
      }
      if (!stream.skipOperator(",")) {
        break;
      }
      isTuple = true;
    } while (stream.current().kind() == Token.Kind.NAME || stream.isOperator("("));
    stream.leave();
    return isTuple ? (scope, value) -> unpack(parts, scope, value) : parts.get(0);
  }

  private static void unpack(List<Target> parts, Scope scope, Object value) {
    List<Object> items = Values.items(value, scope.budget());
    if (items.size() != parts.size()) {
      throw new JinjaException(
          "expected " + parts.size() + " values to unpack, got " + items.size());
    }
    for (int i = 0; i < items.size(); i++) {
      parts.get(i).assign(scope, items.get(i));
    }
  }

  private record Loop(
      Target target, Expression items, Expression test, Statement body, Statement otherwise) {
    Statement.End render(Scope scope, Output out, Object iterated, int depth) {
      List<Object> kept = new ArrayList<>();
      for (Object item : Values.items(iterated, scope.budget())) {
        Scope inner = scope.inner();
        target.assign(inner, item);
        if (Values.isTrue(test.evaluate(inner))) {
          kept.add(item);
        }
      }
      LoopVariable variable =
          new LoopVariable(
              kept,
              depth,
              (other, deeper) -> {
                Output text = new Output(scope.budget());
                render(scope, text, other, deeper);
                return text.toString();
              });
      for (int i = 0; i < kept.size(); i++) {
        scope.budget().step();
        variable.moveTo(i);
        Scope inner = scope.inner();
        inner.set("loop", variable);
        target.assign(inner, kept.get(i));
        if (body.render(inner, out) == Statement.End.BREAK) {
          break;
        }
      }
      return kept.isEmpty() ? otherwise.render(scope.inner(), out) : Statement.End.NORMAL;
    }
  }

  Statement loop() {
    Target target = target();
    if (!stream.skipName("in")) {
      throw stream.unexpected("'in'");
    }
    Expression items = expressions.tuple(false);
    Expression test = stream.skipName("if") ? expressions.expression() : scope -> true;
    stream.skipName("recursive");
    stream.expect(Token.Kind.BLOCK_END);
    Statement body = statements.body(Set.of("else", "endfor"));
    Statement otherwise = Statement.sequence(List.of());
    if (stream.next().text().equals("else")) {
      otherwise = statements.bodyUntil("endfor");
    } else {
      stream.expect(Token.Kind.BLOCK_END);
    }
    Loop loop = new Loop(target, items, test, body, otherwise);
    return (scope, out) -> loop.render(scope, out, loop.items().evaluate(scope), 1);
  }
}
