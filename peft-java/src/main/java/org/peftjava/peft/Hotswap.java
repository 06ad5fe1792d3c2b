package org.peftjava.peft;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.peftjava.peft.io.AdapterCheckpoint;
import org.peftjava.peft.io.AdapterConfigJson;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.lora.LoraHotswap;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Module;
import org.peftjava.transformers.checkpoint.PretrainedFolder;
import org.peftjava.transformers.checkpoint.WeightSource;

/**
 * Puts other LoRA adapters in the place of one that a model has, without touching its layers: the
 * functions of Python's {@code peft.utils.hotswap}.
 *
 * <p>Models are PeftModels, or modules with adapters in their layers. Nothing has changed if a
 * function throws.
 */
public final class Hotswap {
  private Hotswap() {}

  /**
   * Replaces an adapter by a saved one, from a folder or the hub. Layers that the saved one does
   * not adapt are left without effect.
   *
   * @throws IllegalArgumentException if it adapts other layers, or its config differs in {@code
   *     useRslora}, {@code loraDropout}, {@code useDora}, {@code loraBias} or {@code modulesToSave}
   * @throws IllegalStateException if the present adapter is merged
   */
  public static void hotswapAdapter(Module model, String modelNameOrPath, String adapterName) {
    hotswapAdapter(
        model, PretrainedFolder.resolve(modelNameOrPath, PretrainedFolder.ADAPTER), adapterName);
  }

  /** The same for a folder. */
  public static void hotswapAdapter(Module model, Path folder, String adapterName) {
    swap(Adapted.of(model).tuned(), folder, adapterName, key -> key);
  }

  /**
   * The same.
   *
   * @param names turns a key of the file into the one that it has for this model
   */
  static void swap(TunedModel model, Path folder, String adapterName, UnaryOperator<String> names) {
    LoraHotswap swap = new LoraHotswap(model, adapterName);
    LoraConfig config = swap.compatible(AdapterConfigJson.read(folder));
    try (WeightSource source = AdapterCheckpoint.open(folder);
        TensorScope scope = TensorScope.open("hotswap")) {
      Map<String, Tensor> state = new LinkedHashMap<>();
      source.names().forEach(key -> state.put(bare(names.apply(key)), source.tensor(key)));
      swap.swap(state, config);
    }
  }

  /**
   * Replaces an adapter by values, by keys as {@link Peft#getPeftModelStateDict} gives them.
   *
   * @param config the config that they belong to: ranks and scaling
   */
  public static void hotswapAdapterFromStateDict(
      Module model, Map<String, Tensor> stateDict, String adapterName, LoraConfig config) {
    Map<String, Tensor> state = new LinkedHashMap<>();
    stateDict.forEach((key, value) -> state.put(bare(key), value));
    new LoraHotswap(Adapted.of(model).tuned(), adapterName).swap(state, config);
  }

  /**
   * Gives all adapters of a model so large a rank, by zeros, that those that are swapped in later
   * need no other memory. What the model computes stays the same. Python needs this before
   * compiling; here it only saves allocations.
   */
  public static void prepareModelForCompiledHotswap(Module model, int targetRank) {
    TunedModel tuned = Adapted.of(model).tuned();
    List<LoraHotswap> swaps =
        tuned.configs().entrySet().stream()
            .filter(entry -> isLora(entry.getValue()))
            .map(entry -> new LoraHotswap(tuned, entry.getKey()))
            .toList();
    if (swaps.isEmpty()) {
      throw new IllegalArgumentException(
          "No LoRA adapters found on the model. Call prepareModelForCompiledHotswap after loading"
              + " the first adapter.");
    }
    swaps.forEach(swap -> swap.checkPadding(targetRank));
    swaps.forEach(swap -> swap.pad(targetRank));
  }

  private static boolean isLora(TunerConfig config) {
    return config instanceof LoraConfig;
  }

  private static String bare(String key) {
    return key.startsWith(AdapterCheckpoint.PREFIX)
        ? key.substring(AdapterCheckpoint.PREFIX.length())
        : key;
  }
}
