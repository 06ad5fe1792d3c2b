package org.peftjava.peft;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.peft.tuner.lora.LoraGaPreparation;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Module;
import org.peftjava.transformers.checkpoint.TorchFileWriter;

/**
 * Prepares a model for adapters that start as LoRA-GA says: the functions of Python's {@code
 * peft.tuners.lora.loraga}. Paper: arXiv:2407.05000.
 */
public final class Loraga {
  private static final String GRADIENT = "._peft_loraga_grad";

  private Loraga() {}

  /**
   * Estimates the gradients of the weights that a config targets. {@code Peft.getPeftModel} with
   * the same model and config takes them; what no adapter takes is held until {@link #discard}.
   *
   * @param trainStep runs forward and backward passes over some batches, and no optimizer
   */
  public static void preprocessLoraga(Module model, LoraConfig loraConfig, Runnable trainStep) {
    preprocess(model, loraConfig, trainStep, null);
  }

  /**
   * The same with a file that keeps the gradients: if it exists, nothing runs.
   *
   * @param cacheFile in the form of torch.save
   */
  public static void preprocessLoraga(
      Module model, LoraConfig loraConfig, Runnable trainStep, Path cacheFile) {
    preprocess(model, loraConfig, trainStep, cacheFile);
  }

  /** Frees what layers of a model were prepared with and no adapter has taken. */
  public static void discard(Module model) {
    LoraGaPreparation.discard(model);
  }

  private static void preprocess(
      Module model, LoraConfig config, Runnable trainStep, @Nullable Path cache) {
    if (!config.fields().isSet("lora_ga_config")) {
      throw new IllegalArgumentException(
          "preprocessLoraga needs a config with initLoraWeights(new LoraInit.LoraGa()) and"
              + " loraGaConfig.");
    }
    List<String> paths = PreparedLayers.linear(model, config);
    LoraGaPreparation preparation = new LoraGaPreparation(model, paths);
    try (TensorScope scope = TensorScope.openGraph("preprocess lora-ga")) {
      Map<String, Tensor> kept = cache == null ? null : PreparedLayers.read(cache).orElse(null);
      if (kept != null) {
        Map<String, Tensor> gradients = new LinkedHashMap<>();
        for (String path : paths) {
          Tensor gradient = kept.get(path + GRADIENT);
          if (gradient == null) {
            throw new IllegalArgumentException(
                cache + " has no gradient of " + path + ". Was it made for another model?");
          }
          gradients.put(path, gradient);
        }
        preparation.prepare(gradients);
        return;
      }
      Map<String, Tensor> gradients = preparation.gradients(trainStep);
      if (cache != null && gradients.size() < paths.size()) {
        throw new IllegalArgumentException(
            "LoRA-GA: trainStep ran no backward pass through all targeted layers, so "
                + cache
                + " cannot be written.");
      }
      preparation.prepare(gradients);
      if (cache != null) {
        Map<String, Tensor> named = new LinkedHashMap<>();
        gradients.forEach((path, gradient) -> named.put(path + GRADIENT, gradient));
        TorchFileWriter.write(cache, named);
      }
    }
  }
}
