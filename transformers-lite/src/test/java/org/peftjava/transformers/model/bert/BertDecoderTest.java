package org.peftjava.transformers.model.bert;

import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.ArchitectureContract;

/** BERT as a decoder. */
class BertDecoderTest extends ArchitectureContract {
  @Override
  protected PretrainedConfig config(boolean tied) {
    return BertConfig.builder()
        .vocabSize(30)
        .hiddenSize(24)
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
