package org.peftjava.transformers.jinja;

/** What a name stands for that nobody gave a value; an empty text, but for use in arithmetic. */
record Undefined(String name) {
  JinjaException error() {
    return new JinjaException("'" + name + "' is undefined");
  }
}
