package org.peftjava.peft;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;
import org.peftjava.peft.io.AdapterCheckpoint;
import org.peftjava.peft.io.AdapterStateDict;
import org.peftjava.peft.tuner.BaseState;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.StateDict.LoadReport;
import org.peftjava.transformers.checkpoint.WeightSource;

/** Those of {@link Peft} that are about the values of adapters and of the model below them. */
abstract sealed class StateFunctions extends LoraFunctions permits Peft {
  StateFunctions() {}

  /**
   * The values of adapter "default" by the keys of its file: without the adapter's name, and with
   * {@code base_model.model.} for a PeftModel.
   *
   * @param model a PeftModel, or any module with adapters in its layers
   * @return views of the adapter's memory, mostly, owned by the current scope
   */
  public static Map<String, Tensor> getPeftModelStateDict(Module model) {
    return getPeftModelStateDict(model, options -> {});
  }

  /** The same of another adapter, or with the base model's embeddings. */
  public static Map<String, Tensor> getPeftModelStateDict(
      Module model, Consumer<StateDictOptions.Builder> options) {
    StateDictOptions chosen = stateDict(options);
    Adapted adapted = Adapted.of(model);
    return AdapterStateDict.get(
        adapted.tuned(), chosen.adapterName(), chosen.saveEmbeddingLayers(), adapted.isWrapped());
  }

  /**
   * Copies values, by keys as {@link #getPeftModelStateDict(Module)} gives them, into adapter
   * "default". Nothing changes if it throws.
   *
   * @param model a PeftModel, or any module with adapters in its layers
   * @return keys of the adapter without a value, and of values without a place
   */
  @CanIgnoreReturnValue
  public static LoadReport setPeftModelStateDict(
      Module model, Map<String, Tensor> peftModelStateDict) {
    return setPeftModelStateDict(model, peftModelStateDict, options -> {});
  }

  /** The same for another adapter, or leaving out what has another size. */
  @CanIgnoreReturnValue
  public static LoadReport setPeftModelStateDict(
      Module model,
      Map<String, Tensor> peftModelStateDict,
      Consumer<StateDictOptions.Builder> options) {
    StateDictOptions chosen = stateDict(options);
    Adapted adapted = Adapted.of(model);
    return AdapterStateDict.set(
        adapted.tuned(),
        chosen.adapterName(),
        peftModelStateDict,
        chosen.ignoreMismatchedSizes(),
        adapted.isWrapped());
  }

  /**
   * The values in an adapter's folder or repository on the hub, by the keys of its file.
   *
   * @return owned by the current scope
   */
  public static Map<String, Tensor> loadPeftWeights(String modelId) {
    return loadPeftWeights(modelId, options -> {});
  }

  /** The same with options: {@code subfolder}, {@code keyMapping}, and how it is looked up. */
  public static Map<String, Tensor> loadPeftWeights(
      String modelId, Consumer<LoadAdapterOptions.Builder> options) {
    LoadAdapterOptions load = LoadAdapterOptions.of(options);
    Map<String, Tensor> result = new LinkedHashMap<>();
    try (WeightSource source = AdapterCheckpoint.open(load.folder(modelId))) {
      source
          .names()
          .forEach(key -> result.put(load.rules().names().apply(key), source.tensor(key)));
    }
    return result;
  }

  /**
   * The values of the model below the adapters, by the names that they have without adapters.
   *
   * @param model a PeftModel, or any module with adapters in its layers
   * @return they still belong to the model; what is merged is in them
   */
  public static Map<String, Tensor> getBaseModelStateDict(Module model) {
    Map<String, Tensor> result = new LinkedHashMap<>();
    BaseState.of(Adapted.of(model).tuned())
        .forEach((name, parameter) -> result.put(name, parameter.tensor()));
    return result;
  }

  /**
   * Copies values into the model below the adapters, by the names that they have without adapters.
   * Nothing changes if it throws.
   *
   * @throws IllegalArgumentException if a value is missing, has no place, or another shape
   * @throws IllegalStateException if adapters are merged into the values
   */
  @CanIgnoreReturnValue
  public static LoadReport setBaseModelStateDict(Module model, Map<String, Tensor> stateDict) {
    return setBaseModelStateDict(model, stateDict, true);
  }

  /**
   * The same.
   *
   * @param strict whether missing values and those without a place are errors; else they are in the
   *     result
   */
  @CanIgnoreReturnValue
  public static LoadReport setBaseModelStateDict(
      Module model, Map<String, Tensor> stateDict, boolean strict) {
    return BaseStateLoad.of(Adapted.of(model).tuned(), stateDict, strict);
  }

  private static StateDictOptions stateDict(Consumer<StateDictOptions.Builder> options) {
    StateDictOptions.Builder builder = StateDictOptions.builder();
    options.accept(builder);
    return builder.build();
  }
}
