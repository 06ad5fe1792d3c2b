package org.peftjava.peft;

import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The adapters of a model, as PEFT's TunerModelStatus. Which adapters act, are enabled and merged
 * is kept once for the whole model and cannot be "irregular" as in Python.
 *
 * @param baseModelType the base model's class in Python
 * @param adapterModelType such as "LoraModel"
 * @param peftTypes each adapter's type
 * @param trainableParams numbers that collect gradients now
 * @param totalParams all numbers
 * @param numAdapterLayers adapted layers and modules with full copies
 * @param enabled whether adapters act
 * @param activeAdapters those that act
 * @param mergedAdapters those in the base weights
 * @param requiresGrad whether each adapter is trained now; false while adapters are disabled
 * @param availableAdapters all, sorted
 * @param devices where each adapter's parameters are; "meta" for those without values
 * @param quantizationBackend such as "bnb 4bit", "irregular" if layers differ, empty if none is
 *     quantized
 */
public record ModelStatus(
    String baseModelType,
    String adapterModelType,
    Map<String, String> peftTypes,
    long trainableParams,
    long totalParams,
    int numAdapterLayers,
    boolean enabled,
    List<String> activeAdapters,
    List<String> mergedAdapters,
    Map<String, RequiresGrad> requiresGrad,
    List<String> availableAdapters,
    Map<String, List<String>> devices,
    Optional<String> quantizationBackend) {}
