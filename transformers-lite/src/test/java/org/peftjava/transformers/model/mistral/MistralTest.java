package org.peftjava.transformers.model.mistral;

import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.ArchitectureContract;

/** Mistral with a short window. */
class MistralTest extends ArchitectureContract {
  @Override
  protected PretrainedConfig config(boolean tied) {
    return MistralConfig.builder()
        .vocabSize(30)
        .hiddenSize(24)
        .intermediateSize(20)
        .numHiddenLayers(2)
        .numAttentionHeads(6)
        .numKeyValueHeads(2)
        .maxPositionEmbeddings(32)
        .initializerRange(0.3)
        .slidingWindow(4)
        .tieWordEmbeddings(tied)
        .build();
  }
}
