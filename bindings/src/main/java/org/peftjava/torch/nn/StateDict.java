package org.peftjava.torch.nn;

import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;

/** Reads and writes the values of a module tree by name. */
public final class StateDict {
  private StateDict() {}

  /**
   * What a load did not match.
   *
   * @param missing names of the module without a value
   * @param unexpected names of values without a place
   * @param mismatched names whose shapes differ, with both shapes
   */
  public record LoadReport(
      List<String> missing, List<String> unexpected, Map<String, ShapeConflict> mismatched) {
    /** Whether everything matched. */
    public boolean isClean() {
      return missing.isEmpty() && unexpected.isEmpty() && mismatched.isEmpty();
    }
  }

  /** A shape in the file and the shape that the module has. */
  public record ShapeConflict(Shape inFile, Shape inModule) {}

  /** How values reach their parameter. */
  public enum Mode {
    /** Into the existing memory, converting the type. */
    COPY,
    /** The parameter takes the tensor over, with its type: no second copy of the weights. */
    ADOPT
  }

  /**
   * The values of a tree by name, shared ones under each of their names. The tensors still belong
   * to the modules.
   */
  public static Map<String, Tensor> of(Module module) {
    Map<String, Tensor> result = new LinkedHashMap<>();
    module.namedState().forEach((name, parameter) -> result.put(name, parameter.tensor()));
    return result;
  }

  /**
   * Loads what fits and reports the rest. A shared parameter counts as present under each of its
   * names.
   */
  public static LoadReport load(Module module, Map<String, Tensor> values, Mode mode) {
    Map<String, Parameter> state = module.namedState();
    Set<Parameter> filled = Collections.newSetFromMap(new IdentityHashMap<>());
    List<String> unexpected = new ArrayList<>();
    Map<String, ShapeConflict> mismatched = new LinkedHashMap<>();
    values.forEach(
        (name, value) -> {
          Parameter parameter = state.get(name);
          if (parameter == null) {
            unexpected.add(name);
          } else if (!parameter.shape().equals(value.shape())) {
            mismatched.put(name, new ShapeConflict(value.shape(), parameter.shape()));
          } else if (filled.add(parameter)) {
            if (mode == Mode.ADOPT) {
              parameter.adopt(value);
            } else {
              parameter.copyFrom(value);
            }
          }
        });
    List<String> missing = new ArrayList<>();
    state.forEach(
        (name, parameter) -> {
          if (!mismatched.containsKey(name) && !filled.contains(parameter)) {
            missing.add(name);
          }
        });
    return new LoadReport(
        List.copyOf(missing), List.copyOf(unexpected), Collections.unmodifiableMap(mismatched));
  }
}
