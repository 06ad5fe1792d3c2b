package org.peftjava.transformers.model.electra;

import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.ArchitectureContract;

/** ELECTRA as a decoder. */
class ElectraDecoderTest extends ArchitectureContract {
  @Override
  protected PretrainedConfig config(boolean tied) {
    return ElectraConfig.builder()
        .vocabSize(30)
        .hiddenSize(24)
        .embeddingSize(16)
        .intermediateSize(20)
        .numHiddenLayers(2)
        .numAttentionHeads(6)
        .maxPositionEmbeddings(32)
        .hiddenDropoutProb(0)
        .attentionProbsDropoutProb(0)
        .initializerRange(0.3)
        .isDecoder(true)
        .tieWordEmbeddings(tied)
        .build();
  }

  /** "output.dense" is behind attention and behind the feed-forward block. */
  @Override
  protected int modulesNamed(String role) {
    return role.equals("output.dense") ? 4 : 2;
  }
}
