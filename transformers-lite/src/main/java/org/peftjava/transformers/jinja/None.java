package org.peftjava.transformers.jinja;

/** Python's {@code None}. */
enum None {
  NONE
}
