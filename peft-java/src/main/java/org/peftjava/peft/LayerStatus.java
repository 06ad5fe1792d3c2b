package org.peftjava.peft;

import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The adapters of one layer, as PEFT's TunerLayerStatus.
 *
 * @param name path of the layer; in a PeftModel it begins with "model."
 * @param moduleType such as "lora.Linear", or "ModulesToSaveWrapper"
 * @param enabled whether adapters act
 * @param activeAdapters the model's adapters that act; those of this layer for full copies
 * @param mergedAdapters those in this layer's weight
 * @param requiresGrad whether each of this layer's adapters is trained now
 * @param availableAdapters this layer's adapters, sorted
 * @param devices where each adapter's parameters are; "meta" for those without values
 * @param quantizationBackend such as "bnb 4bit", if the layer is quantized
 */
public record LayerStatus(
    String name,
    String moduleType,
    boolean enabled,
    List<String> activeAdapters,
    List<String> mergedAdapters,
    Map<String, RequiresGrad> requiresGrad,
    List<String> availableAdapters,
    Map<String, List<String>> devices,
    Optional<String> quantizationBackend) {}
