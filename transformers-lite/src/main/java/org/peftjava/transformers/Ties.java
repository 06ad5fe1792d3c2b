package org.peftjava.transformers;

import java.util.List;
import java.util.Map;
import org.peftjava.torch.nn.Init;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModulePath;
import org.peftjava.torch.nn.Parameter;

/**
 * Weights of a model that are one object under several names, such as a head that is the token
 * embedding. Only what {@code tie_word_embeddings} switches; saved under its first name alone.
 *
 * <p>Reference: {@code _tied_weights_keys}.
 */
final class Ties {
  private final Module root;
  private final Map<String, String> names;

  /**
   * What may be tied.
   *
   * @param names of each weight that can be another, and of that other
   */
  Ties(Module root, Map<String, String> names) {
    this.root = root;
    this.names = Map.copyOf(names);
  }

  /** Whether there is anything to tie. */
  boolean isEmpty() {
    return names.isEmpty();
  }

  /** The name of each weight that can be another, and of that other. */
  Map<String, String> names() {
    return names;
  }

  /** Makes the weights one. */
  void tie() {
    Map<String, Parameter> state = root.namedState();
    names.forEach((name, source) -> share(name, parameter(state, source)));
  }

  /**
   * Gives the layer of this weight, which was another, weights of its own; there are no values yet.
   */
  void untie(String name) {
    String layer = name.substring(0, name.lastIndexOf('.') + 1);
    Map<String, Parameter> state = root.namedState();
    for (String tied : tied()) {
      if (tied.substring(0, tied.lastIndexOf('.') + 1).equals(layer)) {
        Parameter shared = parameter(state, tied);
        share(tied, new Parameter(shared.shape(), shared.dtype(), Init.zeros()));
      }
    }
  }

  /** The names of those weights that are another now. */
  List<String> tied() {
    Map<String, Parameter> state = root.namedState();
    return names.entrySet().stream()
        .filter(
            entry ->
                state.containsKey(entry.getKey())
                    && state.get(entry.getKey()) == state.get(entry.getValue()))
        .map(Map.Entry::getKey)
        .toList();
  }

  private void share(String name, Parameter parameter) {
    int dot = name.lastIndexOf('.');
    ModulePath.get(root, name.substring(0, dot)).share(name.substring(dot + 1), parameter);
  }

  private static Parameter parameter(Map<String, Parameter> state, String name) {
    Parameter parameter = state.get(name);
    if (parameter == null) {
      throw new IllegalStateException("There is no weight " + name + " to tie.");
    }
    return parameter;
  }
}
