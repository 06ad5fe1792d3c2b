package org.peftjava.transformers.model.t5;

import java.util.List;
import org.peftjava.torch.nn.Activation;

/**
 * What {@code feed_forward_proj} says: "relu" is a plain feed-forward block, "gated-gelu" one whose
 * activation is multiplied with a second projection.
 *
 * @param name of the nonlinearity; "gated-gelu" means "gelu_new", for backwards compatibility
 */
record T5Activation(String name, boolean gated) {
  private static final String SETTING = "feed_forward_proj";

  static T5Activation parse(String setting) {
    List<String> parts = List.of(setting.split("-", -1));
    boolean gated = parts.get(0).equals("gated");
    if (parts.size() > 2 || gated != (parts.size() == 2)) {
      throw new IllegalArgumentException(
          SETTING
              + " is '"
              + setting
              + "'. Expected the name of a nonlinearity, such as 'relu', or 'gated-' and a name,"
              + " such as 'gated-gelu'. Correct config.json.");
    }
    String name = setting.equals("gated-gelu") ? "gelu_new" : parts.get(parts.size() - 1);
    Activation.of(name, SETTING);
    return new T5Activation(name, gated);
  }

  Activation activation() {
    return Activation.of(name, SETTING);
  }
}
