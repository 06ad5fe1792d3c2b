package org.peftjava.it.bench;

import java.util.Locale;
import java.util.Random;
import org.peftjava.torch.DType;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.model.opt.OptConfig;

/** Models of known shapes with random weights, the same as those of {@code bench_reference.py}. */
final class BenchModels {
  private BenchModels() {}

  static OptConfig config(String name) {
    return switch (name) {
      case "opt-125m" -> shape(768, 12, 3072, 12, 768, 50272, 2048, true);
      case "opt-350m" -> shape(1024, 24, 4096, 16, 512, 50272, 2048, false);
      case "tiny-opt" -> shape(64, 2, 256, 4, 64, 1000, 128, true);
      default ->
          throw new IllegalArgumentException(
              "Unknown model '" + name + "'. Expected opt-125m, opt-350m or tiny-opt.");
    };
  }

  private static OptConfig shape(
      int hidden,
      int layers,
      int ffn,
      int heads,
      int embedding,
      int vocabulary,
      int positions,
      boolean normBefore) {
    return OptConfig.builder()
        .hiddenSize(hidden)
        .numHiddenLayers(layers)
        .ffnDim(ffn)
        .numAttentionHeads(heads)
        .wordEmbedProjDim(embedding)
        .vocabSize(vocabulary)
        .maxPositionEmbeddings(positions)
        .doLayerNormBefore(normBefore)
        .build();
  }

  static CausalLM model(String name, DType dtype) {
    Randomness.manualSeed(0);
    try (TensorScope scope = TensorScope.open("build")) {
      return AutoModelForCausalLM.fromConfig(config(name), dtype);
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
  static double flops(OptConfig config, long tokens) {
    double hidden = config.hiddenSize();
    double layer = 4 * hidden * hidden + 2 * hidden * config.ffnDim();
    double projections =
        config.wordEmbedProjDim() == config.hiddenSize()
            ? 0
            : 2 * hidden * config.wordEmbedProjDim();
    double head = (double) config.vocabSize() * config.wordEmbedProjDim();
    return 4 * tokens * (config.numHiddenLayers() * layer + projections + head);
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
