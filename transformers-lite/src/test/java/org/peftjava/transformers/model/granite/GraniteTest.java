package org.peftjava.transformers.model.granite;

import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.ArchitectureContract;

/** Granite with multipliers other than 1. */
class GraniteTest extends ArchitectureContract {
  @Override
  protected PretrainedConfig config(boolean tied) {
    return GraniteConfig.builder()
        .vocabSize(30)
        .hiddenSize(24)
        .intermediateSize(20)
        .numHiddenLayers(2)
        .numAttentionHeads(6)
        .numKeyValueHeads(2)
        .maxPositionEmbeddings(32)
        .embeddingMultiplier(2.0)
        .residualMultiplier(0.7)
        .attentionMultiplier(0.3)
        .logitsScaling(1.5)
        .initializerRange(0.3)
        .tieWordEmbeddings(tied)
        .build();
  }
}
