package org.peftjava.peft;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.peftjava.peft.io.AdapterCheckpoint;
import org.peftjava.peft.tuner.SavedModule;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.lora.LoraConversion;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.Module;

/**
 * An adapter of another method as LoRA: its config, and its weights under the names of files.
 *
 * @param config of the LoRA adapter
 * @param stateDict by key of adapter_model.safetensors, owned by the scope of the conversion
 */
public record ConvertedLora(LoraConfig config, Map<String, Tensor> stateDict) {
  static ConvertedLora of(TunedModel model, String adapter, LoraConversion conversion) {
    Map<String, Tensor> state = new LinkedHashMap<>();
    conversion
        .matrices()
        .forEach(
            (path, factors) -> {
              state.put(AdapterCheckpoint.PREFIX + path + ".lora_A.weight", factors.a());
              state.put(AdapterCheckpoint.PREFIX + path + ".lora_B.weight", factors.b());
            });
    for (Map.Entry<String, SavedModule> entry : model.savedModules().entrySet()) {
      Module copy = entry.getValue().copies().get(adapter);
      if (copy != null) {
        String prefix = AdapterCheckpoint.PREFIX + entry.getKey() + ".";
        copy.namedState()
            .forEach((name, parameter) -> state.put(prefix + name, parameter.tensor().detach()));
      }
    }
    return new ConvertedLora(conversion.config(), state);
  }

  void save(Path folder) {
    AdapterCheckpoint.save(folder, config.with("inference_mode", true), stateDict);
  }
}
