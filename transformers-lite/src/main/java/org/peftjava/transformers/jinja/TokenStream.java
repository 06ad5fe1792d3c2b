package org.peftjava.transformers.jinja;

import java.util.List;
import java.util.Locale;

/** The pieces of a template, read one after the other. */
final class TokenStream {
  private static final int MAX_NESTING = 200;

  private final List<Token> tokens;
  private int at;
  private int depth;

  TokenStream(List<Token> tokens) {
    this.tokens = tokens;
  }

  Token current() {
    return tokens.get(at);
  }

  Token ahead() {
    return tokens.get(Math.min(at + 1, tokens.size() - 1));
  }

  Token next() {
    Token token = current();
    if (token.kind() != Token.Kind.EOF) {
      at++;
    }
    return token;
  }

  boolean is(Token.Kind kind, String text) {
    return current().is(kind, text);
  }

  boolean isOperator(String text) {
    return is(Token.Kind.OPERATOR, text);
  }

  boolean isName(String text) {
    return is(Token.Kind.NAME, text);
  }

  boolean skip(Token.Kind kind, String text) {
    boolean found = is(kind, text);
    if (found) {
      next();
    }
    return found;
  }

  boolean skipOperator(String text) {
    return skip(Token.Kind.OPERATOR, text);
  }

  boolean skipName(String text) {
    return skip(Token.Kind.NAME, text);
  }

  void expectOperator(String text) {
    if (!skipOperator(text)) {
      throw unexpected("'" + text + "'");
    }
  }

  Token expect(Token.Kind kind) {
    if (current().kind() != kind) {
      throw unexpected(
          switch (kind) {
            case BLOCK_END -> "'%}'";
            case VARIABLE_END -> "'}}'";
            default -> "a " + kind.name().toLowerCase(Locale.ROOT);
          });
    }
    return next();
  }

  /** Begins a part that may contain others of its kind. */
  void enter() {
    depth++;
    if (depth > MAX_NESTING) {
      throw new JinjaException("it is nested more than " + MAX_NESTING + " deep", current().line());
    }
  }

  void leave() {
    depth--;
  }

  JinjaException unexpected(String expected) {
    Token token = current();
    String found =
        switch (token.kind()) {
          case EOF -> "the end of the template";
          case BLOCK_END -> "'%}'";
          case VARIABLE_END -> "'}}'";
          default -> "'" + token.text() + "'";
        };
    return new JinjaException("expected " + expected + ", found " + found, token.line());
  }
}
