package org.peftjava.peft;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.BiPredicate;
import org.peftjava.transformers.checkpoint.Checkpoints;
import org.peftjava.transformers.checkpoint.PretrainedFolder;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.checkpoint.WeightSource;

/**
 * How {@link Peft#replaceLoraWeightsLoftq} works.
 *
 * @param modelPath the model's folder or file with weights that are not quantized; empty for the
 *     folder or hub name that the model was loaded from
 * @param adapterName the adapter to replace; "default"
 * @param callback asked after each layer, by its name, whether its new values stay; empty for all
 */
public record LoftqReplacementOptions(
    Optional<Path> modelPath,
    String adapterName,
    Optional<BiPredicate<PeftModel, String>> callback) {
  /** The defaults. */
  public static Builder builder() {
    return new Builder();
  }

  void apply(PeftModel model) {
    try (WeightSource source = open(model)) {
      LoftqLayers.replace(
          model.tuned(),
          adapterName,
          source,
          layer -> callback.map(keep -> keep.test(model, layer)).orElse(true));
    }
  }

  private WeightSource open(PeftModel model) {
    if (modelPath.isPresent() && Files.isRegularFile(modelPath.get())) {
      return Safetensors.open(modelPath.get());
    }
    return Checkpoints.open(
        modelPath.orElseGet(
            () ->
                PretrainedFolder.resolve(
                    model
                        .baseModelName()
                        .orElseThrow(
                            () ->
                                new IllegalArgumentException(
                                    "The model does not know the folder that it was loaded from."
                                        + " Set modelPath(...).")),
                    PretrainedFolder.MODEL)));
  }

  /** Collects options; each method is the one of its record component. */
  public static final class Builder {
    private Optional<Path> modelPath = Optional.empty();
    private String adapterName = PeftModel.DEFAULT_ADAPTER;
    private Optional<BiPredicate<PeftModel, String>> callback = Optional.empty();

    private Builder() {}

    /** The model's folder or file with weights that are not quantized. */
    public Builder modelPath(Path value) {
      modelPath = Optional.of(value);
      return this;
    }

    /** The adapter to replace. */
    public Builder adapterName(String value) {
      adapterName = value;
      return this;
    }

    /** Asked after each layer, by its name, whether its new values stay. */
    public Builder callback(BiPredicate<PeftModel, String> value) {
      callback = Optional.of(value);
      return this;
    }

    /** The options. */
    public LoftqReplacementOptions build() {
      return new LoftqReplacementOptions(modelPath, adapterName, callback);
    }
  }
}
