package org.peftjava.transformers.model.phi;

import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.ArchitectureContract;

/** Phi with norms of queries and keys. */
class PhiTest extends ArchitectureContract {
  @Override
  protected PretrainedConfig config(boolean tied) {
    return PhiConfig.builder()
        .vocabSize(30)
        .hiddenSize(24)
        .intermediateSize(20)
        .numHiddenLayers(2)
        .numAttentionHeads(6)
        .numKeyValueHeads(2)
        .maxPositionEmbeddings(32)
        .qkLayernorm(true)
        .initializerRange(0.3)
        .tieWordEmbeddings(tied)
        .build();
  }
}
