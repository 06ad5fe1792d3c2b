package org.peftjava.it;

import java.nio.file.Path;
import java.util.function.Consumer;

/**
 * A way to damage a folder, and what the refusal must say.
 *
 * @param action changes the folder
 * @param facts parts of the message
 */
record Damage(String name, Consumer<Path> action, String... facts) {
  /** Damage to one file of the folder. */
  static Damage file(String file, String name, Consumer<Path> action, String... facts) {
    return new Damage(name, folder -> action.accept(folder.resolve(file)), facts);
  }

  /** Another text in one file of the folder. */
  static Damage text(String file, String text, String replacement, String... facts) {
    return file(
        file, text + " -> " + replacement, path -> Refusal.replace(path, text, replacement), facts);
  }

  /** Another text in the header of a safetensors file. */
  static Damage header(String file, String text, String replacement, String... facts) {
    return file(
        file,
        text + " -> " + replacement,
        path -> Refusal.replaceInHeader(path, text, replacement),
        facts);
  }

  @Override
  public String toString() {
    return name;
  }
}
