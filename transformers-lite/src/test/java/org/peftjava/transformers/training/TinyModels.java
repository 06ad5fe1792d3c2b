package org.peftjava.transformers.training;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.peftjava.torch.DType;
import org.peftjava.torch.Randomness;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.CausalLanguageModel;
import org.peftjava.transformers.model.opt.OptConfig;

/** Models of a few thousand weights, and data that they can learn in a few steps. */
final class TinyModels {
  static final int VOCABULARY = 40;
  static final int POSITIONS = 32;

  private TinyModels() {}

  /** The same weights on each call. */
  static CausalLM opt(double dropout) {
    Randomness.manualSeed(7);
    return AutoModelForCausalLM.fromConfig(
        OptConfig.builder()
            .vocabSize(VOCABULARY)
            .hiddenSize(16)
            .wordEmbedProjDim(16)
            .ffnDim(32)
            .numHiddenLayers(2)
            .numAttentionHeads(2)
            .maxPositionEmbeddings(POSITIONS)
            .dropout(dropout)
            .attentionDropout(dropout)
            .initStd(0.2)
            .build(),
        DType.FLOAT32);
  }

  /** Sequences in which each id is the one before plus 3, of different lengths. */
  static List<Example> counting(int examples) {
    SplittableRandom random = new SplittableRandom(5);
    List<Example> result = new ArrayList<>();
    for (int i = 0; i < examples; i++) {
      long[] ids = new long[4 + random.nextInt(6)];
      ids[0] = 4L + random.nextInt(30);
      for (int t = 1; t < ids.length; t++) {
        ids[t] = 4 + (ids[t - 1] - 1) % 36;
      }
      result.add(Example.of(ids));
    }
    return result;
  }

  /** All weights by name, as Java arrays. */
  static Map<String, float[]> weights(CausalLanguageModel model) {
    Map<String, float[]> result = new LinkedHashMap<>();
    try (TensorScope scope = TensorScope.open("test")) {
      model
          .module()
          .namedParameters()
          .forEach((name, parameter) -> result.put(name, parameter.tensor().toFloats()));
    }
    return result;
  }

  /** The logged losses of a run, by step. */
  static Map<Integer, Double> losses(TrainerState state) {
    Map<Integer, Double> result = new LinkedHashMap<>();
    for (Map<String, Double> line : state.logHistory()) {
      if (line.containsKey("loss")) {
        result.put(line.get("step").intValue(), line.get("loss"));
      }
    }
    return result;
  }
}
