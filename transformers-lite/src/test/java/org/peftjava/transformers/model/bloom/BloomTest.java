package org.peftjava.transformers.model.bloom;

import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.model.ArchitectureContract;

/** BLOOM with an odd number of heads. */
class BloomTest extends ArchitectureContract {
  @Override
  protected PretrainedConfig config(boolean tied) {
    return BloomConfig.builder()
        .vocabSize(30)
        .hiddenSize(24)
        .nLayer(2)
        .nHead(3)
        .initializerRange(0.3)
        .tieWordEmbeddings(tied)
        .build();
  }
}
