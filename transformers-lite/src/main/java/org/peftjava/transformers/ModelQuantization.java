package org.peftjava.transformers;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.peftjava.quant.LayerReplacement;
import org.peftjava.quant.QuantizationConfig;
import org.peftjava.quant.QuantizedLinear;
import org.peftjava.quant.SkipPatterns;
import org.peftjava.quant.bnb.BitsAndBytesConfig;
import org.peftjava.torch.DType;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModulePath;

/** Which layers of a model are quantized, and how that is written down. */
final class ModelQuantization {
  private ModelQuantization() {}

  /** Chooses the layers of a model without weights that a config quantizes. */
  static LayerReplacement choose(CheckpointModel model, QuantizationConfig config) {
    config.checkSupported();
    Set<String> skipped = new LinkedHashSet<>(skippedByPython(model));
    if (!model.backboneName().isEmpty()) {
      skipped.addAll(model.module().children().keySet());
      skipped.remove(model.backboneName());
    }
    return LayerReplacement.of(
        model.module(), config, skipped, model.architecture().keepInFp32Modules());
  }

  /** Chooses the layers that a checkpoint of Python's may hold quantized: a task's head too. */
  static LayerReplacement chooseStored(CheckpointModel model, QuantizationConfig config) {
    config.checkSupported();
    return LayerReplacement.of(
        model.module(), config, skippedByPython(model), model.architecture().keepInFp32Modules());
  }

  /** {@code get_keys_to_not_convert}: tied weights and the output embedding. */
  private static Set<String> skippedByPython(CheckpointModel model) {
    Set<String> result = new LinkedHashSet<>();
    for (String tied : model.ties().tied()) {
      result.add(withoutWeight(tied));
      result.add(withoutWeight(model.ties().names().getOrDefault(tied, tied)));
    }
    String head = model.architecture().roles().outputEmbedding();
    if (ModulePath.find(model.module(), head).isPresent()) {
      result.add(head);
    }
    return result;
  }

  private static String withoutWeight(String name) {
    return name.endsWith(".weight") ? name.substring(0, name.length() - 7) : name;
  }

  /** The quantized layers of a model, with adapters or without, by path. */
  static Map<String, QuantizedLinear> layers(Module model) {
    Map<String, QuantizedLinear> result = new LinkedHashMap<>();
    model
        .namedModules()
        .forEach(
            (path, module) -> {
              if (module instanceof QuantizedLinear layer) {
                result.put(path, layer);
              }
            });
    return result;
  }

  /**
   * What {@code config.json} has to say about a model's weights, so that transformers finds each
   * layer in the form in which it is saved: also the names of layers that are not quantized here
   * but would be there.
   */
  static Optional<QuantizationConfig> toSave(CheckpointModel model) {
    Map<String, QuantizedLinear> quantized = layers(model.module());
    if (quantized.isEmpty()) {
      return Optional.empty();
    }
    BitsAndBytesConfig config =
        QuantizationJson.read(model.config())
            .orElseGet(() -> BitsAndBytesConfig.of(quantized.values().iterator().next()));
    Set<String> byDefault = skippedByPython(model);
    SkipPatterns python =
        SkipPatterns.of(
            model.module(), config, byDefault, model.architecture().keepInFp32Modules());
    List<String> dense = new ArrayList<>();
    model
        .module()
        .namedModules()
        .forEach(
            (path, module) -> {
              if (LayerReplacement.isDense(module) && !python.matches(path)) {
                dense.add(path);
              }
            });
    if (dense.isEmpty()) {
      return Optional.of(config);
    }
    List<String> skipped = new ArrayList<>(config.skipModules().orElse(List.copyOf(byDefault)));
    skipped.addAll(dense);
    return Optional.of(config.withSkipModules(skipped));
  }

  /** Makes all quantized layers dense, one after the other. */
  static void dequantize(Module model, DType dtype) {
    layers(model).forEach((path, layer) -> ModulePath.replace(model, path, layer.toDense(dtype)));
  }
}
