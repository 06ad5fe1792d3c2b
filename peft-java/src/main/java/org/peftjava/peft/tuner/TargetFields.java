package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * The fields that say which layers a method adapts, and the rules between them.
 *
 * <p>Reference: PEFT {@code LoraConfig.__post_init__} and those of its siblings.
 */
public final class TargetFields {
  private TargetFields() {}

  /** Throws if the fields contradict each other. */
  public static void check(ConfigFields fields) {
    TargetModules targets = TargetModules.ofField(fields, "target_modules");
    if (TargetModules.ofField(fields, "exclude_modules") instanceof TargetModules.AllLinear) {
      throw fields.invalid("exclude_modules", "must be a list of module names or a pattern");
    }
    boolean isText =
        targets instanceof TargetModules.Regex || targets instanceof TargetModules.AllLinear;
    boolean hasPattern = fields.isSet("layers_pattern") && !"".equals(fields.get("layers_pattern"));
    boolean hasLayers = fields.get("layers_to_transform") != null;
    layers(fields);
    oneOrMore(fields, "layers_pattern");
    if (hasLayers && isText) {
      throw fields.invalid("layers_to_transform", restriction(targets));
    }
    if (hasPattern && isText) {
      throw fields.invalid("layers_pattern", restriction(targets));
    }
    if (hasPattern && !hasLayers) {
      throw fields.invalid("layers_pattern", "needs layersToTransform, the numbers of the layers");
    }
  }

  private static String restriction(TargetModules targets) {
    return "restricts module names and cannot be used with the pattern targetModules " + targets;
  }

  /** The numbers in layers_to_transform; empty for all layers. */
  static List<Integer> layers(ConfigFields fields) {
    Object value = fields.get("layers_to_transform");
    List<Integer> result = new ArrayList<>();
    for (Object item :
        value instanceof List<?> list ? list : value == null ? List.of() : List.of(value)) {
      if (!(item instanceof Long number) || number < 0 || number > Integer.MAX_VALUE) {
        throw fields.invalid("layers_to_transform", "must be a layer number or a list of them");
      }
      result.add(number.intValue());
    }
    return Collections.unmodifiableList(result);
  }

  /** A text or a list of texts, as a list. */
  static List<String> oneOrMore(ConfigFields fields, String name) {
    Object value = fields.get(name);
    if (value instanceof String text) {
      return text.isEmpty() ? List.of() : List.of(text);
    }
    return fields.texts(name).orElse(List.of());
  }
}
