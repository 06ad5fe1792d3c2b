package org.peftjava.transformers;

import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.AdapterConfig;

/**
 * Adapters on a plain model, without a {@code PeftModel} around it. They need peft-java on the
 * class path. The model owns its adapters: closing it frees them, and {@code savePretrained} writes
 * the one that acts, not the model.
 *
 * <p>Adding the first adapter freezes the model's own weights. Adapter state belongs to the model,
 * not to a thread; changing it during a forward pass throws.
 *
 * <p>Reference: transformers {@code integrations/peft.py::PeftAdapterMixin}.
 */
public interface PeftAdapterMixin {
  /** The name of an adapter that is not given one. */
  String DEFAULT_ADAPTER = "default";

  /** Adds an adapter "default" with fresh values and lets it alone act. */
  default void addAdapter(AdapterConfig adapterConfig) {
    addAdapter(adapterConfig, DEFAULT_ADAPTER);
  }

  /** Adds an adapter with fresh values and lets it alone act. Nothing changes if it throws. */
  void addAdapter(AdapterConfig adapterConfig, String adapterName);

  /** Adds the saved adapter of a folder or the hub as "default", frozen, and lets it alone act. */
  default void loadAdapter(String nameOrPath) {
    loadAdapter(nameOrPath, options -> {});
  }

  /** The same with a name for the adapter. */
  default void loadAdapter(String nameOrPath, String adapterName) {
    loadAdapter(nameOrPath, options -> options.adapterName(adapterName));
  }

  /**
   * Adds the saved adapter of a folder or the hub and lets it alone act. One that is not to be
   * trained switches the model to evaluation mode. Nothing changes if it throws.
   *
   * <p>With {@code hotswap} a LoRA adapter takes the place of the one of that name, whose layers
   * stay as they are; which adapters act stays too. Layers that the new one does not adapt are left
   * without effect. An error, if it adapts others or is of another kind.
   */
  void loadAdapter(String nameOrPath, Consumer<AdapterLoadOptions.Builder> options);

  /** Makes room for adapters of ranks up to 128; see the other overload. */
  default void enablePeftHotswap() {
    enablePeftHotswap(128);
  }

  /**
   * From now on {@code loadAdapter} with the name of an adapter that is there puts the new one in
   * its place, unless the option {@code hotswap} says otherwise. LoRA adapters are given the target
   * rank when they are loaded, by zeros, so that later ones need no other memory; a later one of a
   * higher rank works too.
   *
   * @param targetRank the highest rank of the adapters that will be loaded
   * @throws IllegalStateException if the model has adapters already
   */
  void enablePeftHotswap(int targetRank);

  /** Lets exactly these adapters act, and trains them. */
  void setAdapter(String... adapterNames);

  /** Lets the adapters act that are set. */
  void enableAdapters();

  /** Lets the model alone work until {@link #enableAdapters}. */
  void disableAdapters();

  /** The adapters that act, in order; also while they are disabled. */
  List<String> activeAdapters();

  /** The weights of the first adapter that acts. */
  default Map<String, Tensor> getAdapterStateDict() {
    return getAdapterStateDict(activeAdapters().get(0));
  }

  /**
   * The weights of an adapter, under the names of its file without {@code base_model.model.}, as
   * {@code model.decoder.layers.0.self_attn.q_proj.lora_A.weight}. They are what {@code
   * savePretrained} writes, owned by the current scope; most are views of the adapter's own memory.
   * What all its layers share keeps {@code base_model.} before its name.
   */
  Map<String, Tensor> getAdapterStateDict(String adapterName);

  /** Removes adapters and frees them. After the last one the model is as it was. */
  void deleteAdapter(String... adapterNames);
}
