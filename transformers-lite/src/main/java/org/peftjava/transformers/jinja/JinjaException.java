package org.peftjava.transformers.jinja;

/** A template that is wrong, that fails, that asks for too much, or that raises an exception. */
public final class JinjaException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final String text;
  private final int line;

  JinjaException(String message) {
    this(message, 0);
  }

  JinjaException(String message, int line) {
    super(message);
    text = message;
    this.line = line;
  }

  /** The same with the line, counted from 1, if it has none yet. */
  JinjaException inLine(int number) {
    return line > 0 ? this : new JinjaException(text, number);
  }

  /** The line of the template, counted from 1; 0 if it is not known. */
  public int line() {
    return line;
  }
}
