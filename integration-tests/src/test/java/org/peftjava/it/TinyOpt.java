package org.peftjava.it;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.peftjava.torch.DType;
import org.peftjava.torch.Randomness;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;
import org.peftjava.transformers.model.opt.OptConfig;
import org.peftjava.transformers.model.opt.OptConfigBuilder;
import org.peftjava.transformers.training.Example;

/** OPT models of a few thousand weights, and data that they can learn. */
final class TinyOpt {
  static final int VOCABULARY = 40;
  static final int POSITIONS = 32;

  private TinyOpt() {}

  /** Two layers of width 16, without dropout. */
  static OptConfigBuilder config() {
    return OptConfig.builder()
        .vocabSize(VOCABULARY)
        .hiddenSize(16)
        .ffnDim(32)
        .numHiddenLayers(2)
        .numAttentionHeads(2)
        .maxPositionEmbeddings(POSITIONS)
        .dropout(0)
        .initStd(0.2);
  }

  /** The same random weights on each call. */
  static CausalLM model(OptConfigBuilder config) {
    Randomness.manualSeed(7);
    return AutoModelForCausalLM.fromConfig(config.build(), DType.FLOAT32);
  }

  /** Sequences of 4 to 9 tokens, each the one before plus 3. */
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
}
