package org.peftjava.peft.io;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.peftjava.peft.tuner.PromptEncoder;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.transformers.checkpoint.FileBatch;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.WeightSource;
import org.peftjava.transformers.config.InvalidFileException;

/**
 * The network that computes an adapter's virtual tokens, in a file beside the adapter's: what
 * training needs to go on. Python neither writes nor reads it.
 */
final class PromptNetworkFile {
  static final String FILE_NAME = "prompt_encoder.safetensors";

  private PromptNetworkFile() {}

  static void write(PromptEncoder network, FileBatch files) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    network
        .namedState()
        .forEach((name, parameter) -> tensors.put(name, parameter.tensor().detach()));
    Safetensors.write(files, FILE_NAME, tensors, AdapterCheckpoint.METADATA);
  }

  /** Copies the file's weights into the network. Nothing changes if it throws. */
  static void load(PromptEncoder network, Path folder) {
    Path file = folder.resolve(FILE_NAME);
    if (!Files.isRegularFile(file)) {
      throw new IllegalArgumentException(
          "The adapter in "
              + folder.toAbsolutePath()
              + " cannot be trained further: there are its virtual tokens, but not the network that"
              + " computes them ("
              + FILE_NAME
              + "), which Python does not save. Load it with isTrainable(false), or train a new"
              + " one.");
    }
    Map<String, Parameter> places = network.namedState();
    try (WeightSource source = Safetensors.open(file)) {
      places.forEach(
          (name, parameter) -> {
            if (!source.names().contains(name) || !source.shape(name).equals(parameter.shape())) {
              throw new InvalidFileException(
                  file,
                  "has no \""
                      + name
                      + "\" of shape "
                      + parameter.shape()
                      + ". Does it belong to this adapter_config.json?");
            }
          });
      places.forEach(
          (name, parameter) -> {
            try (TensorScope scope = TensorScope.open("load network")) {
              parameter.copyFrom(source.tensor(name));
            }
          });
    }
  }
}
