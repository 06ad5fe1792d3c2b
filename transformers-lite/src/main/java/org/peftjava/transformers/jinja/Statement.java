package org.peftjava.transformers.jinja;

import java.util.List;

/** A part of a template that writes something or sets a variable. */
@FunctionalInterface
interface Statement {
  /** How a statement ends. */
  enum End {
    NORMAL,
    BREAK,
    CONTINUE
  }

  End render(Scope scope, Output out);

  /** Several statements in turn, until one ends a loop or its round. */
  static Statement sequence(List<Statement> statements) {
    return (scope, out) -> {
      for (Statement statement : statements) {
        End end = statement.render(scope, out);
        if (end != End.NORMAL) {
          return end;
        }
      }
      return End.NORMAL;
    };
  }
}
