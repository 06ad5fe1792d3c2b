package org.peftjava.torch.nn;

import org.peftjava.torch.Device;
import org.peftjava.torch.Tensor;

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

  /**
   * An input of the child, where the child computes: moved only if the model is on several devices.
   */
  public Tensor bring(Tensor x) {
    Device target = module.inputDevice();
    return target == null ? x : x.to(target);
  }

  Module module() {
    return module;
  }

  void replace(Module replacement) {
    check(replacement);
    replacement.inputDevice(module.inputDevice());
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
