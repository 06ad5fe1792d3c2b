package org.peftjava.transformers.model.gemma;

import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.ArchitectureContract;

/** Gemma 1 with biases. */
class GemmaTest extends ArchitectureContract {
  @Override
  protected PretrainedConfig config(boolean tied) {
    return GemmaConfig.builder()
        .vocabSize(30)
        .hiddenSize(24)
        .intermediateSize(20)
        .numHiddenLayers(2)
        .numAttentionHeads(6)
        .numKeyValueHeads(2)
        .maxPositionEmbeddings(32)
        .headDim(6)
        .attentionBias(true)
        .initializerRange(0.3)
        .tieWordEmbeddings(tied)
        .build();
  }

  /** The weight is what the scale exceeds 1 by. */
  @Override
  protected double freshNorm() {
    return 0;
  }
}
