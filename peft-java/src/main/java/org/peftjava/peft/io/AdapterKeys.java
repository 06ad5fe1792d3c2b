package org.peftjava.peft.io;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.peftjava.peft.tuner.AdapterState;
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
  /** What every key begins with. */
  static final String PREFIX = "base_model.model.";

  private static final String ROOT = "base_model.";
  private static final List<String> EMBEDDINGS = List.of("embed_tokens", "lm_head");

  private AdapterKeys() {}

  /** What the adapter's file must hold. */
  static Map<String, Parameter> required(TunedModel model, String adapter) {
    Map<String, Parameter> result = prefixed(AdapterState.of(model, adapter));
    addShared(result, model, adapter);
    return result;
  }

  /** What the adapter's file may hold: embeddings of the base model. */
  static Map<String, Parameter> optional(TunedModel model) {
    return prefixed(AdapterState.embeddings(model, false));
  }

  /** What is written for the adapter. */
  static Map<String, Parameter> saved(
      TunedModel model, String adapter, TunerConfig config, SaveEmbeddings embeddings) {
    Map<String, Parameter> result = new LinkedHashMap<>(AdapterState.of(model, adapter));
    boolean targeted = targetsEmbeddings(model, config);
    if (embeddings == SaveEmbeddings.YES || (embeddings == SaveEmbeddings.AUTO && targeted)) {
      result.putAll(AdapterState.embeddings(model, targeted));
    }
    Map<String, Parameter> saved = prefixed(result);
    addShared(saved, model, adapter);
    return saved;
  }

  private static void addShared(Map<String, Parameter> result, TunedModel model, String adapter) {
    AdapterState.shared(model, adapter)
        .forEach((name, parameter) -> result.put(ROOT + name, parameter));
  }

  private static boolean targetsEmbeddings(TunedModel model, TunerConfig config) {
    TargetModules targets = TargetModules.ofField(config.fields(), "target_modules");
    if (targets instanceof TargetModules.Names names) {
      return EMBEDDINGS.stream().anyMatch(names.names()::contains);
    }
    Pattern end = Pattern.compile("(.*\\.)?(" + String.join("|", EMBEDDINGS) + ")");
    return model.layers().keySet().stream().anyMatch(path -> end.matcher(path).matches());
  }

  private static Map<String, Parameter> prefixed(Map<String, Parameter> state) {
    Map<String, Parameter> result = new LinkedHashMap<>();
    state.forEach((name, parameter) -> result.put(PREFIX + name, parameter));
    return result;
  }
}
