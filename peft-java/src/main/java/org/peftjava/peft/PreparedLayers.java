package org.peftjava.peft;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.peftjava.peft.tuner.BaseModel;
import org.peftjava.peft.tuner.TunerMethods;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.torch.nn.ModulePath;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.checkpoint.TorchFile;
import org.peftjava.transformers.checkpoint.WeightSource;

/** The layers that are prepared for an adapter before it is made, and files about them. */
final class PreparedLayers {
  private PreparedLayers() {}

  /** The linear layers that a config targets, by path. */
  static List<String> linear(Module model, LoraConfig config) {
    BaseModel base =
        model instanceof PretrainedModel pretrained
            ? BaseModels.of(pretrained)
            : BaseModel.of(model);
    List<String> paths =
        TunerMethods.matched(config, base).stream()
            .filter(path -> ModulePath.get(base.root(), path) instanceof LinearLayer)
            .toList();
    if (paths.isEmpty()) {
      throw new IllegalArgumentException(
          "targetModules " + config.targetModules() + " selects no linear layer of the model.");
    }
    return paths;
  }

  /** The tensors of a file of torch.save, in the current scope, if it is there and not empty. */
  static Optional<Map<String, Tensor>> read(Path file) {
    try {
      if (!Files.isRegularFile(file) || Files.size(file) == 0) {
        return Optional.empty();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(file + " cannot be read.", e);
    }
    try (WeightSource source = TorchFile.open(file)) {
      Map<String, Tensor> result = new LinkedHashMap<>();
      source.names().forEach(name -> result.put(name, source.tensor(name).copy()));
      return Optional.of(result);
    }
  }
}
