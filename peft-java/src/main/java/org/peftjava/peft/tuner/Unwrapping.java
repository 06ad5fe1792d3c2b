package org.peftjava.peft.tuner;

import java.util.Collection;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Set;
import java.util.function.BiFunction;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModulePath;
import org.peftjava.torch.nn.Parameter;

/** Puts the layers of the base model back in the place of those that hold adapters. */
final class Unwrapping {
  private Unwrapping() {}

  /**
   * Does so, and frees what the base model does not need any more.
   *
   * @param choice what becomes of a module of which there are full copies
   * @param last what else is to be undone, before anything is freed
   * @param replaced parameters that may be needed no more after that
   */
  static void run(
      TunedModel model,
      BiFunction<String, SavedModule, Module> choice,
      Runnable last,
      Collection<Parameter> replaced) {
    Set<Parameter> before = Collections.newSetFromMap(new IdentityHashMap<>());
    before.addAll(model.namedState().values());
    before.addAll(replaced);
    Module root = model.base().root();
    model.layers().forEach((path, layer) -> ModulePath.replace(root, path, layer.original()));
    model
        .savedModules()
        .forEach((path, module) -> ModulePath.replace(root, path, choice.apply(path, module)));
    last.run();
    Set<Parameter> kept = Collections.newSetFromMap(new IdentityHashMap<>());
    kept.addAll(root.namedState().values());
    before.stream().filter(parameter -> !kept.contains(parameter)).forEach(Parameter::close);
  }
}
