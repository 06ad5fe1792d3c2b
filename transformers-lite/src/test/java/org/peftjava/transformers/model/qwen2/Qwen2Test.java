package org.peftjava.transformers.model.qwen2;

import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.ArchitectureContract;

/** Qwen2 whose second layer sees a window. */
class Qwen2Test extends ArchitectureContract {
  @Override
  protected PretrainedConfig config(boolean tied) {
    return Qwen2Config.builder()
        .vocabSize(30)
        .hiddenSize(24)
        .intermediateSize(20)
        .numHiddenLayers(2)
        .numAttentionHeads(6)
        .numKeyValueHeads(2)
        .maxPositionEmbeddings(32)
        .initializerRange(0.3)
        .useSlidingWindow(true)
        .slidingWindow(3)
        .maxWindowLayers(1)
        .tieWordEmbeddings(tied)
        .build();
  }
}
