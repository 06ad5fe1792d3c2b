package org.peftjava.transformers;

import java.nio.file.Path;
import java.util.function.Consumer;
import org.peftjava.torch.DType;
import org.peftjava.transformers.config.PretrainedConfig;

/** Loads or builds a token classifier of whatever architecture its config names. */
public final class AutoModelForTokenClassification {
  private static final AutoClass<TokenClassification> MODELS =
      new AutoClass<>((config, generation, dtype) -> new TokenClassification(config, dtype));

  private AutoModelForTokenClassification() {}

  /**
   * Loads a model from a folder with its own settings, on the default device, ready for inference.
   */
  public static TokenClassification fromPretrained(String nameOrPath) {
    return fromPretrained(nameOrPath, options -> {});
  }

  /**
   * Loads a model from a folder that holds {@code config.json} and {@code model.safetensors} (or
   * shards with an index).
   *
   * <p>Weights whose type need not change are mapped, not read: they take memory only as far as
   * they are touched, and share it with other processes. Otherwise one tensor at a time is
   * converted. A weight of the backbone that is missing or has another shape is an error; a head
   * that the folder does not have gets fresh values, with a warning that names them.
   *
   * <p>A folder that holds an adapter (adapter_config.json) gives the base model that it names,
   * with the adapter in its layers, frozen; see {@link PeftAdapterMixin}.
   */
  public static TokenClassification fromPretrained(
      String nameOrPath, Consumer<LoadOptions.Builder> options) {
    return MODELS.fromPretrained(nameOrPath, options);
  }

  /** The same for a folder. */
  public static TokenClassification fromPretrained(Path folder) {
    return fromPretrained(folder, options -> {});
  }

  /** The same for a folder. */
  public static TokenClassification fromPretrained(
      Path folder, Consumer<LoadOptions.Builder> options) {
    return MODELS.fromPretrained(folder, options);
  }

  /**
   * Builds a model with random weights, in training mode, as {@code from_config} in Python. They
   * are drawn on the default device, by its own generator; {@code Randomness.manualSeed} makes them
   * repeatable there.
   */
  public static TokenClassification fromConfig(PretrainedConfig config, DType dtype) {
    return MODELS.fromConfig(config, dtype);
  }

  /** Builds a model that has names and shapes but no memory: to count, or to load later. */
  public static TokenClassification withoutWeights(PretrainedConfig config, DType dtype) {
    return MODELS.withoutWeights(config, dtype);
  }
}
