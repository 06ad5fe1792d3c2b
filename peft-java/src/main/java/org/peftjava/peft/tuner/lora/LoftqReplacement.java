package org.peftjava.peft.tuner.lora;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.peftjava.peft.tuner.AdaptedLayer;
import org.peftjava.peft.tuner.TunedModel;
import org.peftjava.quant.bnb.Linear4bit;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Shape;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.checkpoint.WeightSource;

/**
 * LoftQ for weights that are quantized already: A and B become the best approximation of what the
 * quantization has lost.
 *
 * <p>Reference: PEFT {@code loftq_utils.py::replace_lora_weights_loftq}; values in
 * golden/loftq_replaced.
 */
public final class LoftqReplacement {
  private LoftqReplacement() {}

  /**
   * Replaces the values of an adapter in every 4-bit layer.
   *
   * @param source weights as they were before
   * @param keep asked after each layer, by its path, whether the new values stay
   */
  public static void run(
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
    try (GradMode off = GradMode.noGrad()) {
      keys.forEach(
          (path, key) -> {
            AdaptedLayer layer = model.layers().get(path);
            if (layer != null) {
              replace(layer, adapter, source, key, () -> keep.test(path));
            }
          });
    }
  }

  /** The names of the weights of all layers to change; throws if one is missing or another's. */
  private static Map<String, String> keys(TunedModel model, String adapter, WeightSource source) {
    Map<String, String> result = new LinkedHashMap<>();
    model
        .layers()
        .forEach(
            (path, layer) -> {
              if (layer.original() instanceof Linear4bit linear
                  && layer.adapters().get(adapter) instanceof LowRank) {
                String key = key(path, source);
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
                result.put(path, key);
              }
            });
    return result;
  }

  /** A base model's file may leave out the name of the backbone. */
  private static String key(String path, WeightSource source) {
    String full = path + ".weight";
    if (source.names().contains(full)) {
      return full;
    }
    String bare = full.substring(full.indexOf('.') + 1);
    if (source.names().contains(bare)) {
      return bare;
    }
    throw new IllegalArgumentException(
        "There is no " + full + " in " + source + ". Give the files of the base model.");
  }

  private interface Keep {
    boolean stays();
  }

  private static void replace(
      AdaptedLayer layer, String adapter, WeightSource source, String key, Keep keep) {
    if (!(layer.original() instanceof Linear4bit linear)
        || !(layer.adapters().get(adapter) instanceof LowRank lora)) {
      return;
    }
    try (TensorScope scope = TensorScope.open("loftq")) {
      Tensor a = lora.a().tensor();
      Tensor b = lora.b().tensor();
      Tensor beforeA = a.detach().copy();
      Tensor beforeB = b.detach().copy();
      Tensor lost =
          source.tensor(key, DType.FLOAT32).to(a.device()).sub(linear.denseWeight(DType.FLOAT32));
      LoraStart start = LoftqStart.lowRank(lost, (int) a.size(0));
      lora.a().copyFrom(start.a());
      lora.b().copyFrom(start.b());
      if (!keep.stays()) {
        lora.a().copyFrom(beforeA);
        lora.b().copyFrom(beforeB);
      }
    }
  }
}
