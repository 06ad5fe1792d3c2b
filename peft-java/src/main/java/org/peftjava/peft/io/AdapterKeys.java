package org.peftjava.peft.io;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import org.peftjava.peft.tuner.AdapterState;
import org.peftjava.peft.tuner.AdapterTensor;
import org.peftjava.peft.tuner.TargetModules;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.peft.tuner.TunerConfig;
import org.peftjava.torch.nn.Parameter;

/**
 * The keys of adapter_model.safetensors: {@code base_model.model.<path>.lora_A.weight}.
 *
 * <p>Reference: PEFT {@code save_and_load.py::get_peft_model_state_dict}.
 */
final class AdapterKeys {
  /** What every key begins with, except those of adapters with virtual tokens. */
  static final String PREFIX = "base_model.model.";

  /** What all keys of a model begin with. */
  static final String ROOT = "base_model.";

  private static final String BASE = "base_layer.";

  private static final List<String> EMBEDDINGS = List.of("embed_tokens", "lm_head");

  private AdapterKeys() {}

  /** What the adapter's file must hold. */
  static Map<String, AdapterTensor> required(TunedModel model, String adapter) {
    Map<String, AdapterTensor> result = new LinkedHashMap<>();
    String prefix = prefix(model, adapter);
    AdapterState.entries(model, adapter).forEach((name, entry) -> result.put(prefix + name, entry));
    result.putAll(AdapterState.prompts(model, adapter));
    result.putAll(prefixed(AdapterState.shared(model, adapter), ROOT));
    return result;
  }

  /** What the adapter's file may hold: embeddings of the base model, biases of other layers. */
  static Map<String, AdapterTensor> optional(TunedModel model, String adapter) {
    String prefix = prefix(model, adapter);
    Map<String, AdapterTensor> result = prefixed(AdapterState.embeddings(model, false), prefix);
    result.putAll(prefixed(AdapterState.copiedEmbeddings(model), prefix));
    AdapterState.otherBiases(model, adapter)
        .forEach((name, entry) -> result.put(prefix + name, entry));
    return result;
  }

  /**
   * The keys of a file by those of the model. A parameter of the base has another name while its
   * layer is adapted, and the model that was saved may have adapted other layers than this one.
   *
   * @param names turns a key of the file into the one that it has for this model
   */
  static Map<String, String> byPlace(
      Collection<String> keys, UnaryOperator<String> names, Map<String, AdapterTensor> places) {
    Map<String, String> named = new LinkedHashMap<>();
    keys.forEach(key -> named.put(names.apply(key), key));
    Map<String, String> result = new LinkedHashMap<>();
    named.forEach(
        (name, key) -> {
          String other = otherName(name);
          boolean moves =
              !places.containsKey(name) && places.containsKey(other) && !named.containsKey(other);
          result.put(moves ? other : name, key);
        });
    return result;
  }

  private static String otherName(String name) {
    int dot = name.lastIndexOf('.') + 1;
    String parent = name.substring(0, dot);
    return parent.endsWith(BASE)
        ? parent.substring(0, parent.length() - BASE.length()) + name.substring(dot)
        : parent + BASE + name.substring(dot);
  }

  /** Whether a key of {@link #optional} is that of a weight with a row for each token. */
  static boolean isEmbedding(String key) {
    return EMBEDDINGS.stream().anyMatch(name -> key.endsWith("." + name + ".weight"));
  }

  /** What is written for the adapter. */
  static Map<String, AdapterTensor> saved(
      TunedModel model, String adapter, TunerConfig config, SaveEmbeddings embeddings) {
    Map<String, AdapterTensor> result = new LinkedHashMap<>(required(model, adapter));
    boolean targeted = !trainsTokens(config) && targetsEmbeddings(model, adapter, config);
    boolean resized = model.base().resizedEmbeddings().getAsBoolean();
    if (embeddings == SaveEmbeddings.YES
        || (embeddings == SaveEmbeddings.AUTO && (targeted || resized))) {
      boolean adaptedOnly = targeted && !resized;
      result.putAll(prefixed(AdapterState.embeddings(model, adaptedOnly), prefix(model, adapter)));
    }
    return result;
  }

  /** Whose point is that the embeddings need not be saved. */
  private static boolean trainsTokens(TunerConfig config) {
    return config.peftType().equals("TRAINABLE_TOKENS")
        || config.fields().get("trainable_token_indices") != null;
  }

  private static boolean targetsEmbeddings(TunedModel model, String adapter, TunerConfig config) {
    if (!config.fields().values().containsKey("target_modules")) {
      return false;
    }
    TargetModules targets = TargetModules.ofField(config.fields(), "target_modules");
    if (targets instanceof TargetModules.Names names) {
      return EMBEDDINGS.stream().anyMatch(names.names()::contains);
    }
    Pattern end = Pattern.compile("(.*\\.)?(" + String.join("|", EMBEDDINGS) + ")");
    return model.layers().entrySet().stream()
        .anyMatch(
            layer ->
                end.matcher(layer.getKey()).matches()
                    && layer.getValue().adapters().containsKey(adapter));
  }

  /** Where Python's model with virtual tokens holds the base: in itself, not in a tuner. */
  private static String prefix(TunedModel model, String adapter) {
    return model.prompts().all().containsKey(adapter) ? ROOT : PREFIX;
  }

  private static Map<String, AdapterTensor> prefixed(Map<String, Parameter> state, String prefix) {
    Map<String, AdapterTensor> result = new LinkedHashMap<>();
    state.forEach((name, parameter) -> result.put(prefix + name, AdapterTensor.of(parameter)));
    return result;
  }
}
