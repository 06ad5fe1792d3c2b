package org.peftjava.peft;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.peftjava.peft.tuner.lora.CordaPreparation;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.Module;
import org.peftjava.transformers.checkpoint.TorchFileWriter;

/**
 * Prepares a model for adapters that start as CorDA says: the functions of Python's {@code
 * peft.tuners.lora.corda}. Paper: arXiv:2406.05223.
 */
public final class Corda {
  private Corda() {}

  /**
   * Decomposes the weights of the layers that a config targets as some data sees them. {@code
   * Peft.getPeftModel} with the same model and config takes the result; what no adapter takes is
   * held until {@link #discard}.
   *
   * <p>If the config names a {@code cacheFile} that exists, it is read and nothing runs; if it
   * names a {@code covarianceFile} that exists, the model does not run. Both are written otherwise.
   *
   * @param runModel runs the model on data; its batches may have several rows without padding
   */
  public static void preprocessCorda(Module model, LoraConfig loraConfig, Runnable runModel) {
    preprocess(model, loraConfig, runModel, model);
  }

  /** The same while another model with the same layers runs. */
  public static void preprocessCorda(
      Module model, LoraConfig loraConfig, Runnable runModel, Module hookedModel) {
    preprocess(model, loraConfig, runModel, hookedModel);
  }

  /** The same with files of the config, which must exist. */
  public static void preprocessCorda(Module model, LoraConfig loraConfig) {
    preprocess(model, loraConfig, null, model);
  }

  /** Frees what layers of a model were prepared with and no adapter has taken. */
  public static void discard(Module model) {
    CordaPreparation.discard(model);
  }

  private static void preprocess(
      Module model, LoraConfig config, @Nullable Runnable runModel, Module hooked) {
    List<String> paths = PreparedLayers.linear(model, config);
    CordaPreparation corda = new CordaPreparation(model, paths, config);
    try (TensorScope scope = TensorScope.open("preprocess corda")) {
      Optional<Path> cache = corda.options().cacheFile();
      Optional<Map<String, Tensor>> cached = cache.flatMap(PreparedLayers::read);
      Map<String, Tensor> parts =
          cached.orElseGet(() -> corda.decompose(covariances(corda, paths, runModel, hooked)));
      corda.prepare(parts);
      if (cached.isEmpty()) {
        cache.ifPresent(file -> TorchFileWriter.write(file, parts));
      }
    }
  }

  private static Map<String, Tensor> covariances(
      CordaPreparation corda, List<String> paths, @Nullable Runnable runModel, Module hooked) {
    Optional<Path> file = corda.options().covarianceFile();
    Optional<Map<String, Tensor>> kept = file.flatMap(PreparedLayers::read);
    if (kept.isPresent()) {
      return kept.get();
    }
    if (runModel == null) {
      throw new IllegalArgumentException(
          "preprocessCorda needs runModel: there is neither a cacheFile nor a covarianceFile.");
    }
    Map<String, Tensor> result = new LinkedHashMap<>(corda.covariances(hooked, runModel));
    result.keySet().retainAll(paths);
    file.ifPresent(target -> TorchFileWriter.write(target, result));
    return result;
  }
}
