package org.peftjava.torch.nn;

import java.util.AbstractList;
import java.util.ArrayList;
import java.util.List;

/**
 * Children named "0", "1", ...: a stack of equal blocks.
 *
 * @param <M> what the blocks are called by
 */
public final class ModuleList<M> extends Module {
  private final List<Slot<M>> slots = new ArrayList<>();
  private final Class<M> type;

  /** An empty list of blocks of this type. */
  public ModuleList(Class<M> type) {
    this.type = type;
  }

  /** Appends a block. */
  public ModuleList<M> add(Module module) {
    slots.add(child(Integer.toString(slots.size()), type, module));
    return this;
  }

  /** Puts other blocks in place of all. The old ones are not closed. */
  public void set(List<? extends Module> modules) {
    if (!modules.stream().allMatch(type::isInstance)) {
      throw new IllegalArgumentException(
          "Expected blocks that are a " + type.getSimpleName() + ".");
    }
    for (int i = slots.size() - 1; i >= 0; i--) {
      removeChild(Integer.toString(i));
    }
    slots.clear();
    modules.forEach(this::add);
  }

  /** The blocks, in order. */
  public List<M> list() {
    return new AbstractList<>() {
      @Override
      public M get(int index) {
        return slots.get(index).get();
      }

      @Override
      public int size() {
        return slots.size();
      }
    };
  }
}
