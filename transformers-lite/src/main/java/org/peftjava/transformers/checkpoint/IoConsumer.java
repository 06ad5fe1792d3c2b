package org.peftjava.transformers.checkpoint;

import java.io.IOException;

/** Code that uses a resource and may fail with an {@link IOException}. */
@FunctionalInterface
public interface IoConsumer<T> {
  /** Uses the resource. */
  void accept(T resource) throws IOException;
}
