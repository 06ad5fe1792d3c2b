package org.peftjava.transformers.jinja;

/** A function, method or macro. */
@FunctionalInterface
interface Callable {
  Object call(Arguments arguments);
}
