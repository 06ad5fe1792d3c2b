package org.peftjava.peft.tuner;

import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModulePath;

/** Modules that adapters train in full ({@code modulesToSave}): what can be, and their wrappers. */
final class TrainedInFull {
  private TrainedInFull() {}

  static void checkCopyable(String path, Module module) {
    if (!ModuleCopies.canCopy(module)) {
      throw new IllegalArgumentException(
          "modulesToSave selects \""
              + path
              + "\", a "
              + module.getClass().getSimpleName()
              + ", which cannot be copied for training. Linear, Conv1D, Embedding and norms"
              + " can: name the layers inside it.");
    }
  }

  /** The wrapper at this path, which is put there if there is none. */
  static SavedModule at(BaseModel model, AdapterSet set, String path) {
    Module present = ModulePath.get(model.root(), path);
    if (present instanceof SavedModule module) {
      return module;
    }
    if (present instanceof AdaptedLayer) {
      throw new IllegalArgumentException(
          "Module \""
              + path
              + "\" is adapted by another adapter and cannot be trained in full (modulesToSave)"
              + " too.");
    }
    SavedModule module = SavedModule.over(set, present);
    ModulePath.replace(model.root(), path, module);
    return module;
  }
}
