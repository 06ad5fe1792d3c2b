package org.peftjava.peft.tuner;

import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.nn.Conv1D;
import org.peftjava.torch.nn.EmbeddingLayer;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.NormLayer;
import org.peftjava.torch.nn.Parameter;

/**
 * Copies layers together with their values. The copy of a quantized layer is a dense one, of the
 * type in which the layer computes: packed weights cannot be trained.
 */
final class ModuleCopies {
  private ModuleCopies() {}

  /** Whether {@link #copyOf} can copy the module. */
  static boolean canCopy(Module module) {
    return isQuantized(module) || emptyLike(module).isPresent();
  }

  private static boolean isQuantized(Module module) {
    return module instanceof LinearLayer layer
        && !(module instanceof AdaptedLayer)
        && !layer.keepsWhatReplaces();
  }

  /** A module of the same kind with values and memory of its own. */
  static Module copyOf(Module module) {
    if (isQuantized(module) && module instanceof LinearLayer layer) {
      return layer.denseCopy(layer.computeDtype()).orElseThrow();
    }
    Module copy =
        emptyLike(module)
            .orElseThrow(
                () ->
                    new IllegalArgumentException(
                        "A " + module.getClass().getSimpleName() + " cannot be copied."));
    Map<String, Parameter> target = copy.namedState();
    module
        .namedState()
        .forEach(
            (name, source) -> {
              Parameter parameter = target.get(name);
              if (parameter != null && source.isMaterialized()) {
                parameter.copyFrom(source.tensor());
                parameter.to(source.tensor().device());
              }
            });
    return copy;
  }

  private static Optional<Module> emptyLike(Module module) {
    @Nullable Module copy = null;
    if (module instanceof Linear linear) {
      copy =
          new Linear(
              linear.inFeatures(),
              linear.outFeatures(),
              linear.bias().isPresent(),
              linear.computeDtype());
    } else if (module instanceof Conv1D conv) {
      copy = new Conv1D(conv.inFeatures(), conv.outFeatures(), conv.computeDtype());
    } else if (module instanceof EmbeddingLayer table) {
      return table.emptyCopy();
    } else if (module instanceof NormLayer norm) {
      copy = norm.emptyCopy();
    }
    return Optional.ofNullable(copy);
  }
}
