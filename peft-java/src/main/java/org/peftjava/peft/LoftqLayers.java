package org.peftjava.peft;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Predicate;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.peft.tuner.lora.LoftqReplacement;
import org.peftjava.quant.bnb.Linear4bit;
import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.checkpoint.WeightSource;

/** The 4-bit layers of a model with a LoRA adapter, and their weights as they were before. */
final class LoftqLayers {
  private LoftqLayers() {}

  /**
   * Gives the adapter new values in every 4-bit layer.
   *
   * @param source weights as they were before
   * @param keep asked after each layer, by its path, whether the new values stay
   */
  static void replace(
      TunedModel model, String adapter, WeightSource source, Predicate<String> keep) {
    model.adapters().checkKnown(List.of(adapter));
    if (!model.adapters().merged().isEmpty()) {
      throw new IllegalStateException(
          "Adapters "
              + model.adapters().merged()
              + " are merged into the quantized weights. Call unmergeAdapter first.");
    }
    Map<String, String> keys = keys(model, adapter, source);
    if (keys.isEmpty()) {
      throw new IllegalArgumentException(
          "Adapter \""
              + adapter
              + "\" is on no 4-bit layer. Load the base model with loadIn4bit(true), and use"
              + " LoRA.");
    }
    keys.forEach(
        (path, key) -> {
          try (TensorScope scope = TensorScope.open("loftq layer")) {
            LoftqReplacement.run(
                Objects.requireNonNull(model.layers().get(path)),
                adapter,
                source.tensor(key, DType.FLOAT32),
                () -> keep.test(path));
          }
        });
  }

  /** The names of the weights of all layers to change; throws if one is missing or another's. */
  private static Map<String, String> keys(TunedModel model, String adapter, WeightSource source) {
    Map<String, String> result = new LinkedHashMap<>();
    model
        .layers()
        .forEach(
            (path, layer) -> {
              if (layer.original() instanceof Linear4bit linear
                  && LoftqReplacement.isFor(layer, adapter)) {
                result.put(path, key(path, linear, source));
              }
            });
    return result;
  }

  /** A base model's file may leave out the name of the backbone. */
  private static String key(String path, Linear4bit linear, WeightSource source) {
    String full = path + ".weight";
    String bare = full.substring(full.indexOf('.') + 1);
    String key = source.names().contains(full) ? full : bare;
    if (!source.names().contains(key)) {
      throw new IllegalArgumentException(
          "There is no " + full + " in " + source + ". Give the files of the base model.");
    }
    Shape expected = Shape.of(linear.outFeatures(), linear.inFeatures());
    if (!source.shape(key).equals(expected)) {
      throw new IllegalArgumentException(
          key
              + " in "
              + source
              + " has the shape "
              + source.shape(key)
              + ", but the layer of the model has "
              + expected
              + ". Is it another model's file, or a quantized one?");
    }
    return key;
  }
}
