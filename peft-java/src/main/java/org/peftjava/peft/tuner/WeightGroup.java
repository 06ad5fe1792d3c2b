package org.peftjava.peft.tuner;

import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/** The parameters of one kind, such as "lora_A", of all adapters of a layer, by adapter. */
final class WeightGroup extends Module {
  /** What holds the leaves of one adapter. */
  private static final class Leaves extends Module {
    void put(String leaf, Parameter parameter, boolean isParameter) {
      int dot = leaf.indexOf('.');
      if (dot >= 0) {
        String first = leaf.substring(0, dot);
        Module below = findChild(first).orElseGet(() -> child(first, new Leaves()));
        ((Leaves) below).put(leaf.substring(dot + 1), parameter, isParameter);
      } else if (isParameter) {
        register(leaf, parameter);
      } else {
        registerBuffer(leaf, parameter);
      }
    }
  }

  /** What holds groups whose names begin with a module's. */
  static final class Nest extends Module {
    WeightGroup group(String name) {
      return (WeightGroup) findChild(name).orElseGet(() -> child(name, new WeightGroup()));
    }
  }

  /**
   * The group of this name in a module, made if it is not there; a name of two parts is a group
   * within a module.
   *
   * @param find finds a child of the module
   * @param add adds one
   */
  static WeightGroup of(
      String name,
      Function<String, Optional<Module>> find,
      BiFunction<String, Module, Module> add) {
    int dot = name.indexOf('.');
    if (dot < 0) {
      return (WeightGroup) find.apply(name).orElseGet(() -> add.apply(name, new WeightGroup()));
    }
    String nest = name.substring(0, dot);
    Module found = find.apply(nest).orElseGet(() -> add.apply(nest, new Nest()));
    return ((Nest) found).group(name.substring(dot + 1));
  }

  void put(String adapter, LayerAdapter.Weight weight) {
    if (!weight.leaf().isEmpty()) {
      Module leaves = findChild(adapter).orElseGet(() -> child(adapter, new Leaves()));
      ((Leaves) leaves).put(weight.leaf(), weight.parameter(), weight.isParameter());
    } else if (weight.isParameter()) {
      register(adapter, weight.parameter());
    } else {
      registerBuffer(adapter, weight.parameter());
    }
  }

  void remove(String adapter) {
    unregister(adapter);
    if (findChild(adapter).isPresent()) {
      removeChild(adapter);
    }
  }
}
