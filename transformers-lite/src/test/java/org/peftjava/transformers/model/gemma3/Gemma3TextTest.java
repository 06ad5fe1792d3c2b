package org.peftjava.transformers.model.gemma3;

import java.util.List;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.ArchitectureContract;

/** Gemma 3 with one layer of each type. */
class Gemma3TextTest extends ArchitectureContract {
  @Override
  protected PretrainedConfig config(boolean tied) {
    return Gemma3TextConfig.builder()
        .vocabSize(30)
        .hiddenSize(24)
        .intermediateSize(20)
        .numHiddenLayers(2)
        .numAttentionHeads(6)
        .numKeyValueHeads(2)
        .maxPositionEmbeddings(32)
        .initializerRange(0.3)
        .headDim(6)
        .slidingWindow(4)
        .queryPreAttnScalar(11)
        .layerTypes(List.of("sliding_attention", "full_attention"))
        .tieWordEmbeddings(tied)
        .build();
  }

  /** The weight is what the scale exceeds 1 by. */
  @Override
  protected double freshNorm() {
    return 0;
  }
}
