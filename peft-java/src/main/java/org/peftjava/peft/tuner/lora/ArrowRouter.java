package org.peftjava.peft.tuner.lora;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.peftjava.peft.tuner.LayerAdapter;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.torch.Shape;

/**
 * The config of the adapter that routes tokens to others, once these are loaded. Reference: PEFT
 * {@code lora/arrow.py::create_arrow_model}.
 */
public final class ArrowRouter {
  /** The name of the router. */
  public static final String NAME = "arrow_router";

  /** How the names of the adapters begin that tokens are routed to; a number follows. */
  public static final String TASK_PREFIX = "task_";

  /** The same for general adapters. */
  public static final String GENERAL_PREFIX = "gks_";

  private ArrowRouter() {}

  /**
   * The router for these adapters of a model.
   *
   * @throws IllegalArgumentException if they are not all LoRA over the same linear layers with
   *     matrices of the same shapes, or fewer than each token is to get
   */
  public static LoraConfig config(
      TunedModel model, List<String> tasks, List<String> general, ArrowConfig options) {
    if (tasks.size() < options.topK()) {
      throw new IllegalArgumentException(
          "Arrow cannot give each token "
              + options.topK()
              + " adapters (topK) of "
              + tasks.size()
              + ". Set topK to "
              + tasks.size()
              + " or less, or give more adapters.");
    }
    String first = tasks.get(0);
    Map<String, List<Shape>> expected = shapes(model, first);
    for (String name : Stream.concat(tasks.stream(), general.stream()).toList()) {
      Map<String, List<Shape>> found = shapes(model, name);
      if (!found.keySet().equals(expected.keySet())) {
        throw new IllegalArgumentException(
            "Arrow needs adapters of the same layers, but "
                + first
                + " adapts "
                + lastNames(expected)
                + " in "
                + expected.size()
                + " layers, and "
                + name
                + " "
                + lastNames(found)
                + " in "
                + found.size()
                + ".");
      }
      found.forEach(
          (path, shapes) -> {
            if (!shapes.equals(expected.get(path))) {
              throw new IllegalArgumentException(
                  "Arrow needs adapters of one rank, but A and B of \""
                      + path
                      + "\" are "
                      + expected.get(path)
                      + " in "
                      + first
                      + " and "
                      + shapes
                      + " in "
                      + name
                      + ".");
            }
          });
    }
    int r = Math.toIntExact(expected.values().iterator().next().get(0).get(0));
    return LoraConfig.builder()
        .r(r)
        .targetModules(List.copyOf(lastNames(expected)).toArray(String[]::new))
        .arrowConfig(options.named(tasks, general))
        .build();
  }

  /** The shapes of A and B by layer. */
  private static Map<String, List<Shape>> shapes(TunedModel model, String name) {
    Map<String, List<Shape>> result = new LinkedHashMap<>();
    model
        .layers()
        .forEach(
            (path, layer) -> {
              LayerAdapter adapter = layer.adapters().get(name);
              if (adapter instanceof LoraAdapter lora) {
                result.put(path, List.of(lora.a().shape(), lora.b().shape()));
              } else if (adapter != null) {
                throw new IllegalArgumentException(
                    "Arrow routes between LoRA adapters of linear layers, but that of \""
                        + path
                        + "\" in "
                        + name
                        + " is a "
                        + (adapter instanceof LowRank ? "variant or of an embedding" : "variant")
                        + ".");
              }
            });
    if (result.isEmpty()) {
      throw new IllegalArgumentException("Arrow: " + name + " is no LoRA adapter of a layer.");
    }
    return result;
  }

  private static List<String> lastNames(Map<String, List<Shape>> layers) {
    TreeSet<String> names = new TreeSet<>();
    layers.keySet().forEach(path -> names.add(path.substring(path.lastIndexOf('.') + 1)));
    return new ArrayList<>(names);
  }
}
