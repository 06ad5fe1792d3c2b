package org.peftjava.transformers.model.gemma2;

import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.ArchitectureContract;

/** Gemma 2 with bounds that bind. */
class Gemma2Test extends ArchitectureContract {
  @Override
  protected PretrainedConfig config(boolean tied) {
    return Gemma2Config.builder()
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
        .attnLogitSoftcapping(2.0)
        .finalLogitSoftcapping(3.0)
        .tieWordEmbeddings(tied)
        .build();
  }

  /** The weight is what the scale exceeds 1 by. */
  @Override
  protected double freshNorm() {
    return 0;
  }
}
