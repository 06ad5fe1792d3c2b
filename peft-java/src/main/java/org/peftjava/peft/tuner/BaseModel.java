package org.peftjava.peft.tuner;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;

/**
 * The model that adapters are added to, and what they need to know about it.
 *
 * @param root the module tree; layers in it are replaced
 * @param className the model's class in Python, such as "OPTForCausalLM"
 * @param library the Python module of that class
 * @param modelType the architecture, such as "opt", if it is a known one
 * @param inputEmbeddings path of the token embeddings, if it has any
 * @param outputEmbeddings path of the layer that makes the logits, if it has one
 * @param promptSite what virtual tokens may use of the model, if it can take any
 */
public record BaseModel(
    Module root,
    String className,
    String library,
    Optional<String> modelType,
    Optional<String> inputEmbeddings,
    Optional<String> outputEmbeddings,
    Optional<PromptSite> promptSite) {
  /** A model that takes no virtual tokens. */
  public BaseModel(
      Module root,
      String className,
      String library,
      Optional<String> modelType,
      Optional<String> inputEmbeddings,
      Optional<String> outputEmbeddings) {
    this(root, className, library, modelType, inputEmbeddings, outputEmbeddings, Optional.empty());
  }

  /** A module tree of unknown architecture. */
  public static BaseModel of(Module root) {
    return new BaseModel(
        root,
        root.getClass().getSimpleName(),
        root.getClass().getPackageName(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty());
  }

  /**
   * The base model's modules by path, in order. An adapted layer stands for the layer that it
   * adapts; what adapters are made of is left out.
   */
  Map<String, Module> modules() {
    Map<String, Module> result = new LinkedHashMap<>();
    String[] wrapper = {null};
    root.namedModules()
        .forEach(
            (path, module) -> {
              if (wrapper[0] != null && path.startsWith(wrapper[0])) {
                return;
              }
              wrapper[0] = module instanceof LayerWrapper ? path + "." : null;
              if (!path.isEmpty()) {
                result.put(path, module);
              }
            });
    return result;
  }

  /** The modules that are linear layers. */
  Map<String, Module> linearLayers() {
    Map<String, Module> result = modules();
    result.values().removeIf(module -> !(module instanceof LinearLayer));
    return result;
  }
}
