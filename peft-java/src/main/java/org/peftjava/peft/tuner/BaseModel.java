package org.peftjava.peft.tuner;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModulePath;
import org.peftjava.torch.nn.Parameter;

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
 * @param layerStack the stack of its layers, if they can be used more than once
 * @param sideModels what small models beside it can be made of, if it is a decoder
 * @param resizedEmbeddings whether its token embeddings are not those of its files now
 */
public record BaseModel(
    Module root,
    String className,
    String library,
    Optional<String> modelType,
    Optional<String> inputEmbeddings,
    Optional<String> outputEmbeddings,
    Optional<PromptSite> promptSite,
    Optional<LayerStack> layerStack,
    Optional<SideModels> sideModels,
    BooleanSupplier resizedEmbeddings) {
  /** A model that takes no virtual tokens. */
  public BaseModel(
      Module root,
      String className,
      String library,
      Optional<String> modelType,
      Optional<String> inputEmbeddings,
      Optional<String> outputEmbeddings) {
    this(
        root,
        className,
        library,
        modelType,
        inputEmbeddings,
        outputEmbeddings,
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        () -> false);
  }

  /** The same with what small models beside it can be made of. */
  public BaseModel beside(Optional<SideModels> models) {
    return new BaseModel(
        root,
        className,
        library,
        modelType,
        inputEmbeddings,
        outputEmbeddings,
        promptSite,
        layerStack,
        models,
        resizedEmbeddings);
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

  /** The base model's own module at a path, also where a wrapper stands for it now. */
  public Module original(String path) {
    Module module = ModulePath.get(root, path);
    return module instanceof LayerWrapper wrapper ? wrapper.original() : module;
  }

  /** Whether the module at a path is trained in full by an adapter. */
  boolean isSaved(String path) {
    return ModulePath.get(root, path) instanceof SavedModule;
  }

  /** The other modules whose weight is that of the module at a path, in the model's order. */
  public List<String> tiedTo(String path) {
    Map<String, Module> modules = modules();
    Module module = modules.get(path);
    Parameter weight = module == null ? null : weight(module);
    return weight == null
        ? List.of()
        : modules.entrySet().stream()
            .filter(entry -> entry.getValue() != module && weight(entry.getValue()) == weight)
            .map(Map.Entry::getKey)
            .toList();
  }

  /** A module's own weight, or the one that it shares when nothing is merged. */
  private static @Nullable Parameter weight(Module module) {
    if (module instanceof AdaptedLayer layer && layer.sharedWeight() != null) {
      return layer.sharedWeight();
    }
    Module own = module instanceof LayerWrapper wrapper ? wrapper.original() : module;
    return own.ownParameters().get("weight");
  }

  /** The modules that are linear layers. */
  Map<String, Module> linearLayers() {
    Map<String, Module> result = modules();
    result.values().removeIf(module -> !(module instanceof LinearLayer));
    return result;
  }
}
