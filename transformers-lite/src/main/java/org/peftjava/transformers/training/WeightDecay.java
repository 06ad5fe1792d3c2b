package org.peftjava.transformers.training;

import java.util.LinkedHashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.peftjava.torch.nn.LayerNorm;
import org.peftjava.torch.nn.Module;

/**
 * Which parameters decay: all but those of layer norms and those whose name says bias or norm.
 * Reference: {@code Trainer.get_decay_parameter_names}.
 */
final class WeightDecay {
  private static final Pattern EXEMPT =
      Pattern.compile("bias|layernorm|rmsnorm|(?:^|\\.)norm(?:$|\\.)|_norm(?:$|\\.)");

  private WeightDecay() {}

  /** The names of the parameters that decay, trainable or not. */
  static Set<String> names(Module model) {
    Set<String> names = new LinkedHashSet<>();
    for (Map.Entry<String, Module> entry : model.namedModules().entrySet()) {
      if (entry.getValue() instanceof LayerNorm) {
        continue;
      }
      for (String own : entry.getValue().ownParameters().keySet()) {
        String name = entry.getKey().isEmpty() ? own : entry.getKey() + "." + own;
        if (!EXEMPT.matcher(name.toLowerCase(Locale.ROOT)).find()) {
          names.add(name);
        }
      }
    }
    return names;
  }
}
