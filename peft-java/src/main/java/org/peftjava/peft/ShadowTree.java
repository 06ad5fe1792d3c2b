package org.peftjava.peft;

import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import org.peftjava.torch.DType;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Linear;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.config.InvalidFileException;

/** Weights under the names that they have in a {@link DetachedShadowModel}. */
final class ShadowTree extends Module {
  /** Adds a weight; parts of its name are modules. */
  void put(String name, Parameter weight) {
    int dot = name.indexOf('.');
    if (dot < 0) {
      register(name, weight);
    } else {
      String first = name.substring(0, dot);
      Module below = findChild(first).orElseGet(() -> child(first, new ShadowTree()));
      ((ShadowTree) below).put(name.substring(dot + 1), weight);
    }
  }

  /** Adds a module. */
  void put(String name, Module module) {
    child(name, module);
  }

  /** Takes over the values of a file, which must have just these weights. */
  void load(Path folder, WeightSource source) {
    Map<String, Parameter> state = namedState();
    Set<String> apart = new TreeSet<>(state.keySet());
    apart.addAll(source.names());
    apart.removeIf(
        name ->
            state.containsKey(name)
                && source.names().contains(name)
                && source.shape(name).equals(Objects.requireNonNull(state.get(name)).shape()));
    if (!apart.isEmpty()) {
      throw new InvalidFileException(
          folder, "weights are missing, not known here or of another shape: " + apart);
    }
    state.forEach((name, weight) -> weight.copyFrom(source.tensor(name)));
  }

  /** A parameter with the same values. */
  static Parameter copy(Parameter source) {
    Parameter result = new Parameter(source.shape(), source.dtype(), Init.zeros());
    ShadowSide.fill(result, source);
    return result;
  }

  /** A dense layer that computes as another one does. */
  static Linear copy(LinearLayer source) {
    DType type = source.computeDtype();
    try (TensorScope scope = TensorScope.open("copy of a head")) {
      Tensor weight = source.denseWeight(type).detach();
      Linear result =
          new Linear(source.inFeatures(), source.outFeatures(), source.bias().isPresent(), type);
      result.weight().copyFrom(weight);
      result.weight().to(weight.device());
      source.bias().ifPresent(bias -> ShadowSide.fill(result.bias().orElseThrow(), bias));
      result.requiresGrad(false);
      return result;
    }
  }
}
