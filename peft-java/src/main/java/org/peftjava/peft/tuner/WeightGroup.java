package org.peftjava.peft.tuner;

import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/** The parameters of one kind, such as "lora_A", of all adapters of a layer, by adapter. */
final class WeightGroup extends Module {
  /** What holds the leaves of one adapter. */
  private static final class Leaves extends Module {
    void put(String leaf, Parameter parameter) {
      register(leaf, parameter);
    }
  }

  void put(String adapter, String leaf, Parameter parameter) {
    if (leaf.isEmpty()) {
      register(adapter, parameter);
      return;
    }
    Module leaves = findChild(adapter).orElseGet(() -> child(adapter, new Leaves()));
    ((Leaves) leaves).put(leaf, parameter);
  }

  void remove(String adapter) {
    unregister(adapter);
    if (findChild(adapter).isPresent()) {
      removeChild(adapter);
    }
  }
}
