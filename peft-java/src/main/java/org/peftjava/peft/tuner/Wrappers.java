package org.peftjava.peft.tuner;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.nn.Module;

/**
 * What stands in the place of a base model's layers, by path; looked for when it may have changed.
 */
final class Wrappers {
  private final BaseModel base;
  private volatile @Nullable Map<String, AdaptedLayer>
      layers; // null when wrappers may have come or gone
  private volatile @Nullable Map<String, SavedModule> savedModules;

  Wrappers(BaseModel base) {
    this.base = base;
  }

  /** The adapted layers. */
  Map<String, AdaptedLayer> layers() {
    Map<String, AdaptedLayer> found = layers;
    if (found == null) {
      found = find(AdaptedLayer.class);
      layers = found;
    }
    return found;
  }

  /** The modules with full copies. */
  Map<String, SavedModule> savedModules() {
    Map<String, SavedModule> found = savedModules;
    if (found == null) {
      found = find(SavedModule.class);
      savedModules = found;
    }
    return found;
  }

  /** Says that wrappers may have come or gone. */
  void changed() {
    layers = null;
    savedModules = null;
  }

  private <T extends Module> Map<String, T> find(Class<T> type) {
    Map<String, T> result = new LinkedHashMap<>();
    base.modules()
        .forEach(
            (path, module) -> {
              if (type.isInstance(module)) {
                result.put(path, type.cast(module));
              }
            });
    return Collections.unmodifiableMap(result);
  }
}
