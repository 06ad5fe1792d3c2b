package org.peftjava.transformers.model.starcoder2;

import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.ArchitectureContract;

/** StarCoder2 with a window. */
class Starcoder2Test extends ArchitectureContract {
  @Override
  protected PretrainedConfig config(boolean tied) {
    return Starcoder2Config.builder()
        .vocabSize(30)
        .hiddenSize(24)
        .intermediateSize(20)
        .numHiddenLayers(2)
        .numAttentionHeads(6)
        .numKeyValueHeads(2)
        .maxPositionEmbeddings(32)
        .slidingWindow(4)
        .initializerRange(0.3)
        .tieWordEmbeddings(tied)
        .build();
  }
}
