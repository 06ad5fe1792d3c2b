package org.peftjava.it.bench;

import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Random;
import org.peftjava.torch.DType;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.TensorScope;
import org.peftjava.torch.nn.LinearLayer;
import org.peftjava.torch.nn.Module;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.AutoModelForSequenceClassification;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.Architectures;

/**
 * The models of {@code bench/models.json} with random weights, as in {@code bench_reference.py}.
 */
final class BenchModels {
  private BenchModels() {}

  static PretrainedConfig config(String name) {
    ConfigJson json =
        ConfigJson.read(models())
            .findObject(name)
            .orElseThrow(() -> new IllegalArgumentException("Unknown model '" + name + "'."));
    return Architectures.get(json.getString("model_type")).config(json);
  }

  private static Path models() {
    try {
      return Path.of(BenchModels.class.getResource("/bench/models.json").toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  static CausalLM model(String name, DType dtype) {
    Randomness.manualSeed(0);
    try (TensorScope scope = TensorScope.open("build")) {
      return AutoModelForCausalLM.fromConfig(config(name), dtype);
    }
  }

  /** For what each architecture is trained and asked to generate; decoders: language modelling. */
  static PretrainedModel anyModel(String name, DType dtype) {
    PretrainedConfig config = config(name);
    Randomness.manualSeed(0);
    try (TensorScope scope = TensorScope.open("build")) {
      return switch (config.modelType()) {
        case "t5" -> AutoModelForSeq2SeqLM.fromConfig(config, dtype);
        case "bert" -> AutoModelForSequenceClassification.fromConfig(config, dtype);
        default -> AutoModelForCausalLM.fromConfig(config, dtype);
      };
    }
  }

  /** Token ids that are not special, row-major. */
  static long[] ids(int count, int vocabulary) {
    Random random = new Random(1);
    long[] ids = new long[count];
    for (int i = 0; i < count; i++) {
      ids[i] = 3L + random.nextInt(vocabulary - 3);
    }
    return ids;
  }

  /**
   * FLOPs of the matrix products of one LoRA step: forward, and gradient with respect to the input,
   * 2 each for every weight and token.
   */
  static double flops(Module model, long tokens) {
    double weights =
        model.namedModules().values().stream()
            .filter(LinearLayer.class::isInstance)
            .map(LinearLayer.class::cast)
            .mapToDouble(layer -> (double) layer.inFeatures() * layer.outFeatures())
            .sum();
    return 4 * tokens * weights;
  }

  /** One JSON object in one line; the values are numbers or plain words. */
  static void print(Object... keysAndValues) {
    StringBuilder line = new StringBuilder("{");
    for (int i = 0; i < keysAndValues.length; i += 2) {
      Object value = keysAndValues[i + 1];
      line.append(i == 0 ? "" : ", ").append('"').append(keysAndValues[i]).append("\": ");
      line.append(
          value instanceof Double number
              ? String.format(Locale.ROOT, "%.6g", number)
              : value instanceof Number ? value : "\"" + value + "\"");
    }
    System.out.println(line.append('}'));
  }
}
