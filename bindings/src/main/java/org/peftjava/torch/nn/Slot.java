package org.peftjava.torch.nn;

/**
 * A typed place for a child in its parent. Models call their layers through slots, so that a layer
 * can be replaced, for instance by one that adds an adapter, without the model's knowledge.
 *
 * @param <T> what the parent calls the child by
 */
public final class Slot<T> {
  private final Class<T> type;
  private Module module;

  Slot(Class<T> type, Module module) {
    this.type = type;
    this.module = module;
    check(module);
  }

  /** The present child. */
  public T get() {
    return type.cast(module);
  }

  Module module() {
    return module;
  }

  void replace(Module replacement) {
    check(replacement);
    module = replacement;
  }

  private void check(Module candidate) {
    if (!type.isInstance(candidate)) {
      throw new IllegalArgumentException(
          "A "
              + candidate.getClass().getSimpleName()
              + " cannot stand where a "
              + type.getSimpleName()
              + " is expected.");
    }
  }
}
