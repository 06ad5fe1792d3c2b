package org.peftjava.peft;

import java.util.List;
import java.util.Map;

/**
 * The adapters of one layer, as PEFT's TunerLayerStatus.
 *
 * @param name path of the layer, beginning with "model."
 * @param moduleType such as "lora.Linear"
 * @param enabled whether adapters act
 * @param activeAdapters the model's adapters that act
 * @param mergedAdapters those in this layer's weight
 * @param requiresGrad whether each of this layer's adapters is trained now
 * @param availableAdapters this layer's adapters, sorted
 * @param devices where each adapter's parameters are
 */
public record LayerStatus(
    String name,
    String moduleType,
    boolean enabled,
    List<String> activeAdapters,
    List<String> mergedAdapters,
    Map<String, Boolean> requiresGrad,
    List<String> availableAdapters,
    Map<String, List<String>> devices) {}
