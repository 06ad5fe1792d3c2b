package org.peftjava.transformers.jinja;

/**
 * A piece of a tag.
 *
 * @param text the text of a name or operator, or the value of a string
 */
record Token(Kind kind, String text, int line) {
  /** What a piece is. */
  enum Kind {
    /** Text outside of tags. */
    DATA,
    /** The beginning of a tag with a statement. */
    BLOCK_BEGIN,
    /** The end of such a tag. */
    BLOCK_END,
    /** The beginning of a tag with an expression. */
    VARIABLE_BEGIN,
    /** The end of such a tag. */
    VARIABLE_END,
    NAME,
    STRING,
    INTEGER,
    FLOAT,
    OPERATOR,
    /** Behind the last piece. */
    EOF
  }

  boolean is(Kind other, String value) {
    return kind == other && text.equals(value);
  }
}
