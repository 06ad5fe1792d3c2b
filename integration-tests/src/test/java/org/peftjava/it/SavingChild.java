package org.peftjava.it;

import java.nio.file.Path;
import java.util.List;
import org.peftjava.transformers.CausalLanguageModel;

/** Saves two versions over each other, until it is killed. */
public final class SavingChild {
  private SavingChild() {}

  /** Arguments: "adapter" or "model", the folder with the versions, the folder to save to. */
  public static void main(String[] arguments) {
    Path versions = Path.of(arguments[1]);
    Path target = Path.of(arguments[2]);
    List<CausalLanguageModel> models =
        SavedVersions.NAMES.stream()
            .map(name -> SavedVersions.load(arguments[0], versions, versions.resolve(name)))
            .toList();
    models.get(0).savePretrained(target);
    System.out.println("ready");
    while (true) {
      models.forEach(model -> model.savePretrained(target));
    }
  }
}
