package org.peftjava.peft;

import java.util.List;
import java.util.Map;

/**
 * The adapters of a model, as PEFT's TunerModelStatus. Adapter state is kept once for the whole
 * model, so that nothing can be "irregular" as it can in Python.
 *
 * @param baseModelType the base model's class in Python
 * @param adapterModelType such as "LoraModel"
 * @param peftTypes each adapter's type
 * @param trainableParams numbers that collect gradients now
 * @param totalParams all numbers
 * @param numAdapterLayers adapted layers
 * @param enabled whether adapters act
 * @param activeAdapters those that act
 * @param mergedAdapters those in the base weights
 * @param requiresGrad whether each adapter is trained now; false while adapters are disabled
 * @param availableAdapters all, sorted
 * @param devices where each adapter's parameters are
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
    Map<String, Boolean> requiresGrad,
    List<String> availableAdapters,
    Map<String, List<String>> devices) {}
