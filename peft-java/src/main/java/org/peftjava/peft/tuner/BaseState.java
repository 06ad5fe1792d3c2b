package org.peftjava.peft.tuner;

import java.util.LinkedHashMap;
import java.util.Map;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.Parameter;

/** The base model's own parameters and buffers, whatever stands around its layers. */
public final class BaseState {
  private BaseState() {}

  /**
   * Every parameter and buffer by the name that it has without adapters, shared ones under each of
   * their names. Reference: PEFT {@code save_and_load.py::_peft_key_to_original_key}.
   */
  public static Map<String, Parameter> of(TunedModel model) {
    Map<String, Parameter> result = new LinkedHashMap<>();
    collect("", model.base().root(), result);
    return result;
  }

  private static void collect(String prefix, Module module, Map<String, Parameter> result) {
    if (module instanceof LayerWrapper wrapper) {
      collect(prefix, wrapper.original(), result);
      return;
    }
    module.ownParameters().forEach((name, value) -> result.put(prefix + name, value));
    module.ownBuffers().forEach((name, value) -> result.put(prefix + name, value));
    module.children().forEach((name, child) -> collect(prefix + name + ".", child, result));
  }
}
