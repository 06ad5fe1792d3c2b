package org.peftjava.torch.nn;

import java.util.Optional;

/** Modules addressed by their path, such as "model.layers.0.self_attn.q_proj". */
public final class ModulePath {
  private ModulePath() {}

  /** The module at a path below {@code root}; the empty path is the root itself. */
  public static Optional<Module> find(Module root, String path) {
    Module module = root;
    if (!path.isEmpty()) {
      for (String name : path.split("\\.", -1)) {
        Optional<Module> child = module.findChild(name);
        if (child.isEmpty()) {
          return Optional.empty();
        }
        module = child.get();
      }
    }
    return Optional.of(module);
  }

  /** The module at a path, or an error that names the path. */
  public static Module get(Module root, String path) {
    return find(root, path)
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    root.getClass().getSimpleName() + " has no module '" + path + "'."));
  }

  /** Puts another module at a path. The old one is not closed. */
  public static void replace(Module root, String path, Module replacement) {
    int dot = path.lastIndexOf('.');
    Module parent = dot < 0 ? root : get(root, path.substring(0, dot));
    parent.replaceChild(path.substring(dot + 1), replacement);
  }
}
